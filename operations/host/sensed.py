"""What sources sense of a host beyond its processors, memory, disk and network, and how several sources are one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol, TypeAlias

Found: TypeAlias = tuple[float | None, str]
"""A value, or None and the reason why there is none; ("" and None: this source does not look for it)."""
NOT_LOOKED: Found = (None, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensed:
    """Percent, bytes, °C, W; ``pressure`` is macOS's thermal pressure, 0 (nominal) to 4."""

    gpu: Found = NOT_LOOKED
    gpu_memory_used: Found = NOT_LOOKED
    gpu_memory_total: Found = NOT_LOOKED
    temperature: Found = NOT_LOOKED
    pressure: Found = NOT_LOOKED
    watts: Found = NOT_LOOKED


class Source(Protocol):
    """Where something is sensed."""

    def sense(self) -> Sensed:
        """What is known now; never waits."""

    def close(self) -> None:
        """Ends what runs for it; `sense` begins anew."""


def together(found: Sequence[Sensed]) -> Sensed:
    """One of several: the hottest temperature; of all else, the first source's that has it.

    Where none has it the first reason stands.
    """
    held = {field.name: _first([getattr(one, field.name) for one in found]) for field in fields(Sensed)}
    hottest = max((one.temperature[0] for one in found if one.temperature[0] is not None), default=None)
    if hottest is not None:
        held["temperature"] = (hottest, "")
    return Sensed(**held)


def _first(found: Sequence[Found]) -> Found:
    value = next((one for one in found if one[0] is not None), None)
    return value or next((one for one in found if one[1]), NOT_LOOKED)
