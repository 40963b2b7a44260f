"""What can be told of a host before this program is on it: system, interpreters, root, disk, clock. No shell's text."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from console.hosts.prepare.lock import PLATFORMS
from console.hosts.prepare.wheelhouse import WheelhouseError
from console.hosts.session import Ended, Runner
from console.text import clean
from operations.host.findings import Finding

HOMES = ("", "/opt/homebrew/bin/", "/usr/local/bin/")
"""Where interpreters are looked for; a session that is no login has not all of them in its path."""
CLOCK_SECONDS = 1.0
"""A greater offset is told: logs of several hosts would tell another order than things had."""
_VERSION = "import sys, time; print('%d.%d.%d' % sys.version_info[:3], repr(time.time()))"
_MAKES = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"


@dataclass(frozen=True, slots=True)
class Clock:
    """A host's clock beside this machine's, in seconds; ``within`` is half of the round trip that asked for it."""

    offset: float
    within: float

    def finding(self) -> Finding:
        found = f"{self.offset:+.2f} s beside this console's, within {self.within:.2f} s"
        near = abs(self.offset) - self.within <= CLOCK_SECONDS
        return Finding("clock", near, found, "set the clocks: hosts without internet need a time server of their own")


async def system(runner: Runner) -> str:
    """What ``uname -sm`` prints; empty if nothing. Raises OSError."""
    return clean((await runner.run(("uname", "-sm"))).output.decode("utf-8", "replace").strip())


async def platform(runner: Runner) -> str:
    """The host's name in PLATFORMS. Raises WheelhouseError for another kind, OSError."""
    found = await system(runner)
    for name, known in PLATFORMS.items():
        if known.uname == found:
            return name
    raise WheelhouseError(f"the host is {found or 'unknown'}: there are wheels for {', '.join(PLATFORMS)} alone")


async def python(runner: Runner, interpreter: str) -> tuple[Ended, str, Clock | None]:
    """(how it ended, its version, the clock): the two are there if it ended well. Raises OSError."""
    began = time.time()
    ended = await runner.run((interpreter, "-I", "-c", _VERSION))
    now = time.time()
    words = clean(ended.output.decode("utf-8", "replace").strip()).split()
    if ended.status or len(words) != 2:
        return ended, "", None
    try:
        return ended, words[0], Clock(float(words[1]) - (began + now) / 2, (now - began) / 2)
    except ValueError:
        return ended, words[0], None


async def base(runner: Runner, given: str, known: Sequence[str]) -> tuple[str, str]:
    """(interpreter, version) that a virtual environment can be made with, ``known`` being versions that will do.

    Raises WheelhouseError with what was found instead, OSError.
    """
    names = [f"{home}python{version}" for version in known for home in HOMES]
    names += [f"{home}python3" for home in HOMES]
    seen: list[str] = []
    for name in [given] if given else names:
        ended = await runner.run((name, "-I", "-c", _MAKES))
        version = clean(ended.output.decode("utf-8", "replace").strip())
        if ended.status == 0 and version in known:
            return name, version
        if ended.status == 0:
            seen.append(f"{name} is {version}")
        elif "No module named" in ended.reason:
            seen.append(f"{name} can make no virtual environment ({ended.reason})")
    raise WheelhouseError(
        f"no Python {' or '.join(known)} on the host that can make a virtual environment"
        f"{': ' if seen else ''}{'; '.join(seen)}: install one there (Debian: python3-venv), name it with --base, or "
        f"make the wheelhouse for the host's own with --python"
    )


def parse_df(text: str) -> float:
    """Free bytes, of what ``df -Pk PATH`` prints. Raises ValueError if it tells none."""
    words = text.strip().rsplit("\n", 1)[-1].split()
    if len(words) < 6 or not words[3].isdecimal():
        raise ValueError("df does not tell the free disk")
    return int(words[3]) * 1024.0


async def findings(runner: Runner, root: str) -> list[Finding]:
    """Root, disk and clock as tools tell them that every system has. Raises OSError."""
    found = []
    if (await runner.run(("test", "-d", root))).status:
        found.append(Finding("root", False, f"{root} is no directory", f"make it, for the user: mkdir {root}"))
    elif (await runner.run(("test", "-w", root))).status:
        found.append(Finding("root", False, f"{root} can't be written to", f"give it to the user: chown USER {root}"))
    else:
        found.append(Finding("root", True, f"{root} can be written to"))
    try:
        free = parse_df((await runner.run(("df", "-Pk", root))).output.decode("utf-8", "replace"))
        found.append(Finding("disk", free >= 5e9, f"{free / 1e9:,.1f} GB free", f"free 5 GB at least on {root}"))
    except ValueError as error:
        found.append(Finding("disk", None, str(error)))
    began = time.time()
    seconds = (await runner.run(("date", "+%s"))).output.strip()
    now = time.time()
    if seconds.isdigit():  # whole seconds, cut: half a second is missing on average
        found.append(Clock(int(seconds) + 0.5 - (began + now) / 2, (now - began) / 2 + 0.5).finding())
    return found
