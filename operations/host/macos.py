"""GPU, thermal pressure, temperature and power of a Mac, without root: ``ioreg``, ``notifyutil`` and ``macmon``."""

from __future__ import annotations

import re
import shutil

import msgspec

from operations.host.sensed import Found, Sensed
from operations.host.tools import Command, Talking, Tool, output

IOREG = ("/usr/sbin/ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator")
NOTIFYUTIL = ("/usr/bin/notifyutil", "-g", "com.apple.system.thermalpressurelevel")
HOMES = "/opt/homebrew/bin:/usr/local/bin"
"""Where Homebrew puts macmon: an SSH session that is no login has neither in its path."""
OLDEST = (0, 8, 2)
"""The first macmon that reads machines with more than 256 GB aright."""
SHARED = "the GPU has no memory of its own: it is the host's"
NO_MACMON = "macmon is not installed: without root nothing else tells it"
_BUSY = re.compile(r'"Device Utilization %"\s*=\s*(\d{1,9})')
_LEVEL = re.compile(r"com\.apple\.system\.thermalpressurelevel\s+(\d{1,9})\s*$")
_VERSION = re.compile(r"\bmacmon (\d{1,6})\.(\d{1,6})\.(\d{1,6})")


def parse_ioreg(text: str) -> float:
    """Percent, the busiest accelerator's. Raises ValueError if none tells."""
    found = [int(value) for value in _BUSY.findall(text)]
    busy = max((value for value in found if value <= 100), default=None)
    if busy is None:
        raise ValueError("no accelerator tells its utilisation")
    return float(busy)


def parse_pressure(text: str) -> float:
    """0 nominal, 1 moderate, 2 heavy, 3 trapping, 4 sleeping. Raises ValueError for anything else."""
    found = _LEVEL.search(text)
    if found is None or int(found[1]) > 4:
        raise ValueError("no thermal pressure from 0 to 4")
    return float(found[1])


def parse_version(text: str) -> tuple[int, ...]:
    """Of ``macmon --version``. Raises ValueError if that is not the macmon that reads Macs."""
    found = _VERSION.search(text)
    if found is None:
        raise ValueError("does not say its version: another program of that name?")
    return tuple(map(int, found.groups()))


class _Temperatures(msgspec.Struct):
    cpu_temp_avg: float = 0.0
    gpu_temp_avg: float = 0.0


class _Sample(msgspec.Struct):
    temp: _Temperatures
    sys_power: float = 0.0
    all_power: float = 0.0


_samples = msgspec.json.Decoder(_Sample)


def parse_macmon(line: str) -> Sensed:
    """One line of ``macmon pipe``: the hotter average, the whole machine's power or else the chip's; 0 is missing.

    Raises ValueError if it is none.
    """
    try:
        sample = _samples.decode(line)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    hottest = max(sample.temp.cpu_temp_avg, sample.temp.gpu_temp_avg)
    watts = sample.sys_power if sample.sys_power > 0 else sample.all_power
    return Sensed(
        temperature=(hottest, "") if 0 < hottest < 150 else (None, "macmon reads no temperature here"),
        watts=(watts, "") if 0 < watts < 1e5 else (None, "macmon reads no power here"),
    )


class Macos:
    """A Mac's accelerator, pressure, temperature and power."""

    def __init__(self, macmon: str | None = None) -> None:
        self._gpu: Tool[float] = Command(IOREG, parse_ioreg)
        self._pressure: Tool[float] = Command(NOTIFYUTIL, parse_pressure, every=4.0)
        program = macmon or shutil.which("macmon") or shutil.which("macmon", path=HOMES)
        self._macmon: Tool[Sensed] | None = None
        if program:
            self._macmon = Talking([program, "pipe"], parse_macmon, check=lambda: _new_enough(program))

    def sense(self) -> Sensed:
        """As of the last seconds."""
        shared: Found = (None, SHARED)
        hot, reason = self._macmon.latest() if self._macmon is not None else (None, NO_MACMON)
        return Sensed(
            gpu=self._gpu.latest(),
            gpu_memory_used=shared,
            gpu_memory_total=shared,
            temperature=hot.temperature if hot else (None, reason),
            pressure=self._pressure.latest(),
            watts=hot.watts if hot else (None, reason),
        )

    def close(self) -> None:
        """Ends all tools."""
        for tool in (self._gpu, self._pressure, self._macmon):
            if tool is not None:
                tool.close()


def _new_enough(program: str) -> None:
    version = parse_version(output([program, "--version"]))
    if version < OLDEST:
        raise ValueError(f"version {'.'.join(map(str, version))} is too old: {'.'.join(map(str, OLDEST))} or later")
