"""ICMP echo without root: a datagram ICMP socket where the system lends one, else the program ``ping``."""

from __future__ import annotations

import errno
import re
import shutil
import socket
import subprocess
import sys
import time
from typing import Literal, NamedTuple

from operations.network.messages import echo_reply, echo_request

Tool = Literal["datagram ICMP socket", "ping", ""]
_INTERVAL = 0.2  # seconds between two requests: below that ping asks for root
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+)(?: packets)? received")


class Echoed(NamedTuple):
    """How many replies came; ``fault`` if the tool did not get as far as telling."""

    received: int
    said: str
    fault: str = ""


def tool() -> Tool:
    """What this host can ask with; empty if it can't."""
    try:
        _socket(six=False).close()
    except OSError:
        return "ping" if shutil.which("ping") else ""
    return "datagram ICMP socket"


def echo(tool: Tool, address: str, count: int, seconds: float) -> Echoed:
    """Asks ``count`` times and waits up to ``seconds`` after the last; one reply is enough. Raises OSError."""
    six = ":" in address
    if tool == "ping":
        return _by_ping(address, six, count, seconds)
    if not tool:
        return Echoed(0, "", "neither a datagram ICMP socket nor ping is there")
    return _by_socket(address, six, count, seconds)


def _socket(*, six: bool) -> socket.socket:
    if six:
        return socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)


def _by_socket(address: str, six: bool, count: int, seconds: float) -> Echoed:
    answered: set[int] = set()
    with _socket(six=six) as asking:
        asking.connect((address, 0))
        for number in range(1, count + 1):
            asking.send(echo_request(number, six=six))
            last = number == count
            _listen(asking, six, count, time.monotonic() + (seconds if last else _INTERVAL), answered, whole=last)
    return Echoed(len(answered), f"{count} sent, {len(answered)} received")


def _listen(asking: socket.socket, six: bool, count: int, until: float, answered: set[int], *, whole: bool) -> None:
    while (left := until - time.monotonic()) > 0:
        asking.settimeout(left)
        try:
            number = echo_reply(asking.recv(2048), six=six)
        except TimeoutError:
            return
        except OSError as error:
            # A router's or this host's word that nothing is there is no reply; another may still come.
            if error.errno not in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED):
                raise
            continue
        if number is not None and 0 < number <= count:
            answered.add(number)
            if whole and len(answered) == count:
                return


def _by_ping(address: str, six: bool, count: int, seconds: float) -> Echoed:
    mac = sys.platform == "darwin"
    program = ["ping6"] if six and mac else ["ping", *(["-6"] if six else [])]
    wait = [] if six and mac else ["-W", str(int(seconds * 1000) if mac else max(1, round(seconds)))]
    command = [*program, "-n", "-c", str(count), "-i", str(_INTERVAL), *wait, address]
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=count + 4 * seconds, check=False
        )
    except OSError as error:
        return Echoed(0, "", f"{command[0]} can't be run: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Echoed(0, "", f"{command[0]} did not end")
    return ping_summary(found.stdout, found.stderr)


def ping_summary(out: str, err: str) -> Echoed:
    """What ``ping`` counted (iputils, BSD and busybox word it almost alike); a fault if its summary is missing."""
    summary = _SUMMARY.search(out)
    if summary:
        return Echoed(int(summary[2]), f"{summary[1]} sent, {summary[2]} received")
    said = " ".join((err or out).split())
    if "unreachable" in said.lower() or "no route" in said.lower():
        return Echoed(0, said)
    return Echoed(0, said, f"ping printed no summary: {said!r:.120}")
