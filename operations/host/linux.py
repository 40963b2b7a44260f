"""Temperature and power of a Linux host from hwmon, and from the thermal zones where hwmon has no temperature."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from operations.host.sensed import Sensed
from operations.host.tools import Asked

SYSFS = Path("/sys/class")
NO_SENSOR = "this host has no temperature sensor that can be read"
NO_POWER = "this host does not tell its power"
_HOTTEST = 150.0  # °C; what is above, and 0, is a sensor that is not there
_WHOLE = "power_meter"  # ACPI's: the power of the whole machine


def read(sysfs: Path = SYSFS) -> Sensed:
    """The hottest sensor; the whole machine's power where it is metered, else the sum of what its sensors tell."""
    temperatures = [t / 1000 for t in _numbers(sysfs / "hwmon", "hwmon*/temp*_input")]
    temperatures = temperatures or [t / 1000 for t in _numbers(sysfs / "thermal", "thermal_zone*/temp")]
    hottest = max((t for t in temperatures if 0 < t < _HOTTEST), default=None)
    watts = _power(sysfs)
    return Sensed(
        temperature=(hottest, "" if hottest is not None else NO_SENSOR),
        watts=(watts, "" if watts is not None else NO_POWER),
    )


def _power(sysfs: Path) -> float | None:
    whole: list[float] = []
    parts: list[float] = []
    for chip in (sysfs / "hwmon").glob("hwmon*"):
        # a chip tells power1_average, power1_input or both: of one sensor both are the same power
        told = list(_numbers(chip, "power*_average")) or list(_numbers(chip, "power*_input"))
        (whole if _text(chip / "name") == _WHOLE else parts).extend(microwatts / 1e6 for microwatts in told)
    found = [watts for watts in whole or parts if watts > 0]
    return sum(found) if found else None


def _numbers(directory: Path, pattern: str) -> Iterator[float]:
    for path in sorted(directory.glob(pattern)):
        with contextlib.suppress(ValueError):
            yield float(int(_text(path)))


def _text(path: Path) -> str:
    """Empty for what can't be read: a sensor of a device that sleeps answers with an error."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


class Hwmon:
    """The host's sensors, read beside the sampling: one on a slow bus, or of a disk that sleeps, takes its time."""

    def __init__(self, sysfs: Path = SYSFS) -> None:
        self._tool = Asked("hwmon", lambda: read(sysfs))

    def sense(self) -> Sensed:
        """As of the last seconds."""
        found, reason = self._tool.latest()
        return found or Sensed(temperature=(None, reason), watts=(None, reason))

    def close(self) -> None:
        """Reads no more."""
        self._tool.close()
