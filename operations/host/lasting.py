"""Settings of a host that would suspend its jobs or end them when their operator logs out."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from operations.host.findings import Finding
from operations.host.tools import output

SLEEPS = ("sleep.target", "suspend.target", "hibernate.target", "hybrid-sleep.target")
_LOGIND = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
_SLEEP = re.compile(r"^\s*(sleep|SleepDisabled)\s+(\d+)(?:\s+\(sleep prevented by ([^)]*)\))?\s*$", re.MULTILINE)
_NO_SYSTEMD = "the machine is not run by systemd"


def parse_pmset(text: str) -> Finding:
    """Of ``pmset -g``: whether the Mac goes to sleep by itself; minutes, 0 is never. Raises ValueError if untold."""
    found = {name: (int(value), by or "") for name, value, by in _SLEEP.findall(text)}
    if "sleep" not in found:
        raise ValueError("pmset tells no sleep")
    minutes, by = found["sleep"]
    if minutes == 0 or found.get("SleepDisabled", (0, ""))[0] == 1:
        return Finding("sleep", True, "never sleeps by itself")
    held = f", held off for now by {by}" if by else ""
    return Finding("sleep", False, f"sleeps after {minutes} min{held}", "run on the host: sudo pmset -a sleep 0")


def parse_enabled(text: str) -> Finding:
    """Of ``systemctl is-enabled`` for SLEEPS, a word a line. Raises ValueError if that is not what it printed."""
    words = text.split()
    if len(words) != len(SLEEPS):
        raise ValueError("systemctl tells no targets of sleep")
    open_ = [target for target, word in zip(SLEEPS, words, strict=True) if not word.startswith("masked")]
    if not open_:
        return Finding("sleep", True, "its sleep targets are masked")
    return Finding(
        "sleep", False, f"{', '.join(open_)} may be reached", f"run on the host: sudo systemctl mask {' '.join(SLEEPS)}"
    )


def parse_kills(text: str, lingers: bool) -> Finding:
    """Of ``busctl get-property`` for KillUserProcesses, ``b false``. Raises ValueError for anything else."""
    if text.split() not in (["b", "false"], ["b", "true"]):
        raise ValueError("systemd-logind does not tell KillUserProcesses")
    kills = text.split()[1] == "true"
    linger = "lingers" if lingers else "does not linger"
    if kills:  # a session's own processes are ended whether or not the user lingers
        todo = "set KillUserProcesses=no in /etc/systemd/logind.conf, then restart systemd-logind"
        return Finding("logout", False, "KillUserProcesses is on: a logout ends the jobs", todo)
    return Finding("logout", True, f"a logout ends no jobs (KillUserProcesses is off, the user {linger})")


def look(user: str, platform: str = sys.platform) -> list[Finding]:
    """What this host's settings would do to a job; n/a with the reason where they can't be read."""
    if platform == "darwin":
        away = Finding("logout", None, "macOS has no such setting for what was started over SSH")
        return [_read("sleep", ("/usr/bin/pmset", "-g"), parse_pmset), away]
    if not Path("/run/systemd/system").is_dir():
        return [Finding("sleep", None, _NO_SYSTEMD), Finding("logout", None, _NO_SYSTEMD)]
    lingers = Path("/var/lib/systemd/linger", user).exists()
    kills = ("busctl", "get-property", *_LOGIND, "KillUserProcesses")
    return [
        _read("sleep", ("systemctl", "is-enabled", *SLEEPS), parse_enabled),
        _read("logout", kills, lambda text: parse_kills(text, lingers)),
    ]


def _read(name: str, command: tuple[str, ...], parse: Callable[[str], Finding]) -> Finding:
    try:
        return parse(output(command))
    except ValueError as error:
        return Finding(name, None, str(error))
