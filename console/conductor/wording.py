"""Values as a person reads them: never a number without its unit, never 0 for what could not be had."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

from console.journal.entries import PlanAdopted
from console.journal.fold import Adoption
from operations.contract import Value

READING_UNITS = {
    "cpu_percent": "%",
    "gpu_percent": "%",
    "gpu_memory_used": "B",
    "ram_used": "B",
    "temperature_c": "°C",
    "thermal_pressure": "",
    "watts": "W",
    "disk_free": "B",
    "disk_written": "B/s",
    "load1": "",
    "net_sent": "B/s",
    "net_received": "B/s",
}
SIGNS = {">=": "≥", ">": ">", "<=": "≤", "<": "<", "==": "="}


def adopted(found: Adoption) -> str:
    """What was put in force, and by whom: ``plan v1.1 adopted by Ada``."""
    what = f"plan v{found.entry.version}" if isinstance(found.entry, PlanAdopted) else "another site"
    return f"{what} adopted by {found.operator}"


def number(value: float) -> str:
    """Four significant digits, thousands grouped; whole numbers in full."""
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) < 0.001 else f"{round(value, 3 - math.floor(math.log10(abs(value)))):g}"


def percent(value: float) -> str:
    """A proportion with one decimal."""
    return f"{value * 100:.1f} %"


def value(given: Value, unit: str = "", n: int | None = None, count: int | None = None) -> str:
    """One measure or record: ``93 of 100 = 93.0 %``, ``0.214``, ``yes``, ``n/a``."""
    if given is None:
        return "n/a"
    if isinstance(given, bool):
        return "yes" if given else "no"
    if n is not None and count is not None and isinstance(given, int | float):
        return f"{count:,} of {n:,} = {percent(given)}"
    if isinstance(given, Mapping):
        return ", ".join(f"{name} {'n/a' if v is None else number(v)}" for name, v in given.items())
    if isinstance(given, str):
        return given
    if not math.isfinite(given):
        return str(given)
    return f"{number(given)} {unit}".rstrip()


def span(length: datetime.timedelta) -> str:
    """A length of time in its two largest units, signed: ``+2 d 4 h``, ``-15 min``, ``0 min``."""
    minutes = round(abs(length).total_seconds() / 60)
    sign = "" if minutes == 0 else "+" if length > datetime.timedelta() else "-"
    days, rest = divmod(minutes, 24 * 60)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{sign}{days} d {hours} h"
    return f"{sign}{hours} h {minutes} min" if hours else f"{sign}{minutes} min"


def rule(compare: str, threshold: bool | int | float | str, unit: str, *, proportion: bool) -> str:
    """A criterion's rule: ``≥ 90 %``, ``= yes``, ``< 10 ms``."""
    if isinstance(threshold, bool | str):
        return f"{SIGNS[compare]} {value(threshold)}"
    if proportion:
        return f"{SIGNS[compare]} {threshold * 100:g} %"
    return f"{SIGNS[compare]} {value(threshold, unit)}"


def size(count: float) -> str:
    """Bytes in the decimal unit that keeps them short: ``1.9 MB``."""
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 1000 or unit == "TB":
            return f"{count:.1f} {unit}" if count < 100 else f"{count:,.0f} {unit}"
    raise AssertionError


def reading(name: str, value: float | None) -> str:
    """A host's reading in the unit that a person uses: ``62 °C``, ``3.1 GB``, ``1.2 MB/s``, ``n/a``."""
    if value is None:
        return "n/a"
    unit = READING_UNITS.get(name, "")
    if unit in ("B", "B/s"):
        return size(value) + unit[1:]
    return f"{value:.0f} {unit}" if unit else f"{value:g}" if value == int(value) else f"{value:.2f}"
