"""One question to one address, by one tool, and what came back: the evidence of an air gap is made of these."""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import secrets
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import msgspec

from operations.network import echo, messages

Kind = Literal["icmp", "tcp", "tls", "dns-udp", "dns-tcp", "ntp", "resolver"]
Outcome = Literal["answered", "silent", "refused", "no tool"]
AT_ONCE = 16
"""Probes that wait at the same time: one dead route after another would take half a minute."""
SAID = 300
"""Characters kept of what a tool said."""
_NO_WAY = (errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)
"""This host's own kernel says that it has no way there, or a blackhole: it needs no control."""
_BLOCKED = (
    *_NO_WAY,
    *(errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENETDOWN),
    *(errno.EPERM, errno.EACCES),  # a firewall's, a prohibit route's
)
"""The kernel or a router says no; any other error is the tool's own and tells nothing of the network."""


class Probe(msgspec.Struct, frozen=True):
    """What to ask: ``target`` is an address, or a name; ``name`` is what a DNS question or a TLS greeting names."""

    kind: Kind
    target: str
    port: int = 0
    name: str = ""
    count: int = 1

    @property
    def words(self) -> str:
        """As a log line names it."""
        port = f" port {self.port}" if self.port else ""
        about = f" for {self.name}" if self.name and self.name != self.target else ""
        return f"{self.kind} {self.target}{port}{about}"


class Answer(msgspec.Struct, frozen=True):
    """What came of a probe; ``found`` holds the addresses that a name was resolved to.

    ``no_way`` is true where this host's own kernel has no route: that needs no control.
    """

    probe: Probe
    outcome: Outcome
    tool: str
    said: str
    at: float
    seconds: float
    no_way: bool = False
    found: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """As a log line tells it."""
        return f"{self.probe.words}: {self.outcome} ({self.said}; {self.tool}, {self.seconds:.2f} s)"


class _Told(Exception):
    """How a probe ended, from within."""

    def __init__(self, outcome: Outcome, said: str) -> None:
        super().__init__(said)
        self.outcome: Outcome = outcome
        self.said = said


def ask_all(probes: Sequence[Probe], seconds: float) -> list[Answer]:
    """Asks all of them, `AT_ONCE` at the same time, each for about ``seconds``; answers in the probes' order."""
    if not probes:
        return []
    tool = echo.tool()
    with ThreadPoolExecutor(min(AT_ONCE, len(probes)), "probe") as pool:
        return list(pool.map(lambda probe: ask(probe, seconds, tool), probes))


def ask(probe: Probe, seconds: float, echo_tool: echo.Tool) -> Answer:
    """Asks once. Whatever goes wrong on the way there is an outcome, never an exception."""
    tools: dict[Kind, str] = {"icmp": echo_tool or "none", "tls": "ssl", "resolver": "getaddrinfo"}
    at, began = time.time(), time.monotonic()
    outcome: Outcome = "silent"
    no_way = False
    found: tuple[str, ...] = ()
    try:
        if probe.kind == "icmp":
            said = _icmp(probe, seconds, echo_tool)
        elif probe.kind == "resolver":
            found = tuple(sorted({str(info[4][0]) for info in _resolved(probe.target, seconds)}))
            said = f"{probe.target} is {', '.join(found)}"
        else:
            said = _ASKED[probe.kind](probe, seconds)
        outcome = "answered"
    except _Told as told:
        outcome, said = told.outcome, told.said
    except TimeoutError:
        said = "no answer"
    except (ConnectionRefusedError, ConnectionResetError):
        outcome, said = "refused", "refused: by the address itself, or in its name"
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        said = os.strerror(number) if number else str(error)
        outcome, no_way = ("silent" if number in _BLOCKED else "no tool"), number in _NO_WAY
    spent = round(time.monotonic() - began, 6)
    return Answer(probe, outcome, tools.get(probe.kind, "socket"), said[:SAID], at, spent, no_way, found)


def _icmp(probe: Probe, seconds: float, tool: echo.Tool) -> str:
    found = echo.echo(tool, _address(probe.target, seconds), probe.count, seconds)
    if found.fault:
        raise _Told("no tool", found.fault)
    if not found.received:
        raise _Told("silent", found.said or "no reply")
    return found.said


def _tcp(probe: Probe, seconds: float) -> str:
    with _connected(probe, seconds):
        return "connected"


def _tls(probe: Probe, seconds: float) -> str:
    context = ssl.create_default_context()
    with _connected(probe, seconds) as connection:
        try:
            with context.wrap_socket(connection, server_hostname=probe.name or probe.target) as secured:
                return f"connected, {secured.version()}"
        except ssl.SSLCertVerificationError as error:
            return f"connected; its certificate is no good: {error.verify_message}"
        except ssl.SSLError as error:
            return f"connected; it answers TLS with: {error.reason}"
        except OSError as error:
            return f"connected; no word of TLS: {error}"


def _dns_tcp(probe: Probe, seconds: float) -> str:
    number = secrets.randbelow(1 << 16)
    query = messages.dns_query(number, probe.name)
    with _connected(probe, seconds) as connection:
        data = b""
        with contextlib.suppress(OSError):
            connection.sendall(struct.pack(">H", len(query)) + query)
            while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
                more = connection.recv(4096)
                if not more:
                    break
                data += more
    return messages.dns_answer(number, data[2:]) or "connected; no answer to the question"


def _dns_udp(probe: Probe, seconds: float) -> str:
    number = secrets.randbelow(1 << 16)
    return _or_strange(messages.dns_answer(number, _datagram(probe, messages.dns_query(number, probe.name), seconds)))


def _ntp(probe: Probe, seconds: float) -> str:
    return _or_strange(messages.ntp_answer(_datagram(probe, messages.NTP_REQUEST, seconds)))


def _or_strange(said: str) -> str:
    """Whatever bytes came, something there has answered."""
    return said or "an answer that is none of the protocol"


def _resolved(name: str, seconds: float) -> list[tuple[Any, ...]]:
    """``getaddrinfo`` with an end: it may wait much longer than anyone, and can't be broken off."""
    box: queue.SimpleQueue[list[tuple[Any, ...]] | OSError | ValueError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            box.put(list(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)))
        except (OSError, ValueError) as error:
            box.put(error)

    threading.Thread(target=look_up, daemon=True, name="resolver").start()
    try:
        found = box.get(timeout=seconds)
    except queue.Empty:
        raise _Told("silent", f"no answer for {name}") from None
    if isinstance(found, OSError):
        raise _Told("silent", f"{name}: {found.strerror or found}")
    if isinstance(found, ValueError):
        raise found
    return found


def _address(target: str, seconds: float) -> str:
    """The target as an address; a name is looked up, and one that can't be is a silence."""
    with contextlib.suppress(OSError):
        return str(socket.getaddrinfo(target, None, flags=socket.AI_NUMERICHOST)[0][4][0])
    return str(_resolved(target, seconds)[0][4][0])


def _connected(probe: Probe, seconds: float) -> socket.socket:
    return socket.create_connection((_address(probe.target, seconds), probe.port), timeout=seconds)


def _datagram(probe: Probe, data: bytes, seconds: float) -> bytes:
    address = _address(probe.target, seconds)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds)
        # Connected: only this address can answer, and its refusal comes back as an error.
        asking.connect((address, probe.port))
        asking.send(data)
        return asking.recv(4096)


_ASKED: dict[Kind, Callable[[Probe, float], str]] = {
    "tcp": _tcp,
    "tls": _tls,
    "dns-udp": _dns_udp,
    "dns-tcp": _dns_tcp,
    "ntp": _ntp,
}
