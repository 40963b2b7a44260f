"""The few bytes of DNS, NTP, TLS and ICMP that a probe sends and reads back, and what answers them inside."""

from __future__ import annotations

import struct

_HEADER = struct.Struct(">HHHHHH")
_RECURSION_DESIRED = 0x0100
_RESPONSE = 0x8000
_REFUSED = 5
NTP_SIZE = 48
NTP_REQUEST = bytes([0x23]) + bytes(NTP_SIZE - 1)
"""Version 4, mode 3 (RFC 5905)."""
TLS_ALERT = bytes([21, 3, 3, 0, 2, 2, 40])
"""A fatal alert, handshake_failure (RFC 8446): what a TLS server without a certificate says."""
ECHO_REQUEST, ECHO_REPLY = 8, 0
ECHO_REQUEST_6, ECHO_REPLY_6 = 128, 129
_IP_HEADER = 20


def dns_query(number: int, name: str) -> bytes:
    """A question for the name's address (RFC 1035). Raises ValueError for a name that DNS can't carry."""
    labels = [label.encode() for label in name.rstrip(".").split(".")]
    if not name.isascii() or any(not 0 < len(label) < 64 for label in labels):
        raise ValueError(f"{name!r} is no name to ask for")
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0" + struct.pack(">HH", 1, 1)
    return _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + question


def dns_answer(number: int, data: bytes) -> str:
    """What a reply to query ``number`` says; empty if it is none."""
    if len(data) < _HEADER.size:
        return ""
    found, flags, _, answers, _, _ = _HEADER.unpack_from(data)
    if found != number or not flags & _RESPONSE:
        return ""
    return f"a reply with {answers} answers, status {flags & 0xF}"


def dns_refusal(query: bytes) -> bytes:
    """The reply of a server that answers nothing: REFUSED; empty if it was no query."""
    if len(query) < _HEADER.size:
        return b""
    number, flags, *_ = _HEADER.unpack_from(query)
    if flags & _RESPONSE:
        return b""
    return _HEADER.pack(number, _RESPONSE | (flags & _RECURSION_DESIRED) | _REFUSED, 0, 0, 0, 0)


def ntp_answer(data: bytes) -> str:
    """What an NTP server's reply says; empty if it is none."""
    if len(data) < NTP_SIZE or data[0] & 7 != 4:
        return ""
    return f"a reply of stratum {data[1]}"


def ntp_reply(request: bytes) -> bytes:
    """A server's reply, unsynchronised (stratum 16); empty if it was no request."""
    if len(request) < NTP_SIZE or request[0] & 7 != 3:
        return b""
    return bytes([0x24, 16]) + bytes(NTP_SIZE - 2)


def echo_request(number: int, *, six: bool) -> bytes:
    """An echo request (RFC 792, RFC 4443); the kernel puts the identifier of a datagram socket in itself."""
    kind = ECHO_REQUEST_6 if six else ECHO_REQUEST
    body = b"gladiator air gap"
    plain = struct.pack(">BBHHH", kind, 0, 0, 0, number) + body
    return struct.pack(">BBHHH", kind, 0, 0 if six else _checksum(plain), 0, number) + body


def echo_reply(data: bytes, *, six: bool) -> int | None:
    """The number of the request that this replies to; None if it is no echo reply. macOS puts the IP header first."""
    if not six and len(data) > _IP_HEADER and data[0] >> 4 == 4:
        data = data[(data[0] & 0xF) * 4 :]
    if len(data) < 8 or data[0] != (ECHO_REPLY_6 if six else ECHO_REPLY):
        return None
    return int.from_bytes(data[6:8], "big")


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
