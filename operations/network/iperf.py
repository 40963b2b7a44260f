"""iperf3: finding it, reading what it says, what its figures mean. Format: iperf3(1), ``-J`` of 3.2 or later."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence

import msgspec

from operations.contract import Refusal

OLDEST = (3, 2)
"""``--forceflush`` and the sums at the end are there from then on."""
SUSTAINED = 0.05
"""The share of intervals that may be slower than what is called sustained."""
INTERVAL = 0.5
_VERSION = re.compile(r"iperf (\d+)\.(\d+)")
_LINE = re.compile(r"\[ *(\d+|SUM)\] +([\d.]+)-([\d.]+) +sec .*? ([\d.]+) Kbits/sec")
_ETHERNET = 38  # preamble, header, checksum and gap of each frame
_TCP = 52  # headers of IP and of TCP with timestamps


class Result(msgspec.Struct, frozen=True):
    """One direction. ``bits`` a second as the receiver counted them; ``sustained`` by interval; both are bits/s."""

    bits: float
    sustained: float
    retransmits: int | None
    seconds: float
    intervals: int


class _Interval(msgspec.Struct):
    bits_per_second: float
    seconds: float = 0.0
    omitted: bool = False


class _Step(msgspec.Struct):
    sum: _Interval


class _Sum(msgspec.Struct):
    bits_per_second: float
    seconds: float = 0.0
    retransmits: int | None = None


class _End(msgspec.Struct):
    sum_sent: _Sum | None = None
    sum_received: _Sum | None = None


class _Said(msgspec.Struct):
    intervals: list[_Step] = []
    end: _End = msgspec.field(default_factory=_End)
    error: str = ""


def program() -> str:
    """The path of iperf3 on this host. Raises Refusal if there is none, or one that is too old."""
    path = shutil.which("iperf3")
    if path is None:
        raise Refusal("iperf3 is not on this host: install it (Debian: iperf3; macOS: from its package)")
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Refusal(f"{path} can't be run: {error}") from None
    found = version(said)
    if found < OLDEST:
        shown = ".".join(map(str, found)) if any(found) else "of an unknown version"
        raise Refusal(f"{path} is {shown}; at least {'.'.join(map(str, OLDEST))} is needed")
    return path


def version(text: str) -> tuple[int, int]:
    """What ``iperf3 --version`` says; (0, 0) if it says nothing of the kind."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def result(text: bytes | str) -> Result:
    """One test from the client's ``-J``. Raises Refusal with iperf3's own word: it may fail and still exit with 0."""
    try:
        said = msgspec.json.decode(text, type=_Said)
    except msgspec.DecodeError:
        raise Refusal("iperf3 ended without a whole result") from None
    if said.error:
        raise Refusal(f"iperf3: {said.error}")
    received, sent = said.end.sum_received, said.end.sum_sent
    rates = [step.sum.bits_per_second for step in said.intervals if not step.sum.omitted and step.sum.seconds > 0]
    if received is None or not rates:
        raise Refusal("iperf3 gave no figures")
    return Result(
        bits=received.bits_per_second,
        sustained=low(rates, SUSTAINED),
        retransmits=sent.retransmits if sent else None,
        seconds=received.seconds,
        intervals=len(rates),
    )


def low(values: Sequence[float], share: float) -> float:
    """The value that at most ``share`` of the values lie below (nearest rank). Raises IndexError if there is none."""
    return sorted(values)[int(share * len(values))]


def live(line: str) -> tuple[float, float] | None:
    """(end of the interval in seconds, Gbit/s) of a line of ``-f k``; None if it is another line, or a total."""
    found = _LINE.search(line)
    if not found or line.rstrip().endswith(("sender", "receiver")):
        return None
    began, ended = float(found[2]), float(found[3])
    # The rest of a last interval is too short to be a figure.
    return (ended, float(found[4]) / 1e6) if ended - began >= INTERVAL / 2 else None


def ceiling(mtu: int) -> float:
    """The share of an Ethernet link's bits that TCP can carry at this MTU: 0.9415 at 1500, 0.990 at 9000."""
    return (mtu - _TCP) / (mtu + _ETHERNET)
