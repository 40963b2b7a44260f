"""A made-up internet for one namespace: DNS (53), HTTP (80), HTTPS (443), DNS over TLS (853) and NTP (123).

``internet.py DIRECTORY`` makes a certificate there that nobody trusts, prints ``ready`` once it listens, and serves
until it is killed. Every name resolves; every page is 204.
"""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import struct
import sys
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ADDRESSES = ("8.8.8.8", "8.8.4.4", "1.1.1.1", "9.9.9.9", "17.253.144.10", "2001:4860:4860::8888")
_ANSWERS = {1: socket.inet_aton("198.51.100.7"), 28: socket.inet_pton(socket.AF_INET6, "2001:4860:4860::8888")}
_SINCE_1900 = 2_208_988_800


class Dns(asyncio.DatagramProtocol):
    """Resolves whatever it is asked, A and AAAA."""

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address) -> None:
        end = 12
        while data[end]:
            end += data[end] + 1
        kind = struct.unpack("!H", data[end + 1 : end + 3])[0]
        found = _ANSWERS.get(kind)
        answer = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(found)) + found if found else b""
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if found else 0, 0, 0)
        self._transport.sendto(head + data[12 : end + 5] + answer, address)


class Ntp(asyncio.DatagramProtocol):
    """Tells this machine's time."""

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address) -> None:
        now = struct.pack("!II", int(time.time()) + _SINCE_1900, 0)
        self._transport.sendto(b"\x24\x02\x06\xe9" + b"\0" * 12 + now + data[40:48] + now + now, address)


async def _web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(5):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
    except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError):
        pass
    finally:
        writer.close()


def _certificate(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a made-up internet")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    signed = builder.not_valid_after(now + datetime.timedelta(days=2)).sign(key, hashes.SHA256())
    pem = directory / "internet.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def _serve(directory: Path) -> None:
    context = _certificate(directory)
    loop = asyncio.get_running_loop()
    for address in ADDRESSES:
        await loop.create_datagram_endpoint(Dns, local_addr=(address, 53))
        await loop.create_datagram_endpoint(Ntp, local_addr=(address, 123))
    for port, tls in ((80, None), (53, None), (443, context), (853, context)):
        await asyncio.start_server(_web, None, port, ssl=tls)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
