"""NVIDIA GPUs as ``nvidia-smi`` tells them, kept running: starting it for each reading would cost a second.

Several GPUs are one reading: the greatest utilisation and temperature, the sums of memory and watts.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from operations.host.sensed import Found, Sensed
from operations.host.tools import Talking

QUERY = ("index", "count", "utilization.gpu", "memory.used", "memory.total", "temperature.gpu", "power.draw")
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU; percent, bytes, °C, W, None for what its driver does not tell."""

    index: int
    count: int
    utilisation: float | None
    memory_used: float | None
    memory_total: float | None
    temperature: float | None
    watts: float | None


def parse(line: str) -> Gpu:
    """One line of the query without header and units. Raises ValueError if it is none; ``[N/A]`` is None."""
    parts = [part.strip() for part in line.split(",")]
    if len(parts) != len(QUERY) or not (parts[0].isdecimal() and parts[1].isdecimal()):
        raise ValueError(line)
    index, count = int(parts[0]), int(parts[1])
    busy, used, total, temperature, watts = (_number(part) for part in parts[2:])
    return Gpu(
        index,
        count,
        busy if busy is not None and busy <= 100 else None,
        None if used is None else used * _MIB,
        None if total is None else total * _MIB,
        temperature or None,
        watts,
    )


def _number(text: str) -> float | None:
    """A number of nvidia-smi: finite and not below zero; anything else it says of a value is that there is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None


def folded(gpus: Sequence[Gpu]) -> Sensed:
    """All GPUs of the host as one."""
    return Sensed(
        gpu=_most([gpu.utilisation for gpu in gpus], "utilisation"),
        gpu_memory_used=_sum([gpu.memory_used for gpu in gpus], "memory"),
        gpu_memory_total=_sum([gpu.memory_total for gpu in gpus], "memory"),
        temperature=_most([gpu.temperature for gpu in gpus], "temperature"),
        watts=_sum([gpu.watts for gpu in gpus], "power"),
    )


def _most(values: Sequence[float | None], what: str) -> Found:
    return max((v for v in values if v is not None), default=None), _unless(values, what)


def _sum(values: Sequence[float | None], what: str) -> Found:
    """Of all GPUs or of none: a sum that leaves one out would look like a whole."""
    told = [v for v in values if v is not None]
    whole = bool(told) and len(told) == len(values)
    return (sum(told), "") if whole else (None, f"the driver does not tell the {what} of every GPU")


def _unless(values: Sequence[float | None], what: str) -> str:
    return "" if any(v is not None for v in values) else f"the driver does not tell the GPU's {what}"


class Nvidia:
    """The host's NVIDIA GPUs."""

    def __init__(self, program: str) -> None:
        self._gpus: dict[int, Gpu] = {}
        query = f"--query-gpu={','.join(QUERY)}"
        self._tool = Talking([program, query, "--format=csv,noheader,nounits", "-l", "1"], self._take)

    @classmethod
    def here(cls) -> Nvidia | None:
        """None where there is no ``nvidia-smi``."""
        program = shutil.which("nvidia-smi")
        return cls(program) if program else None

    def sense(self) -> Sensed:
        """All GPUs as one, as of the last second."""
        found, reason = self._tool.latest()
        if found is None:
            nothing = (None, reason)
            return Sensed(
                gpu=nothing, gpu_memory_used=nothing, gpu_memory_total=nothing, temperature=nothing, watts=nothing
            )
        return found

    def close(self) -> None:
        """Ends ``nvidia-smi``."""
        self._tool.close()

    def _take(self, line: str) -> Sensed | None:
        """Each GPU has its line; the last of them makes the reading whole."""
        gpu = parse(line)
        if gpu.index == 0:
            self._gpus.clear()
        self._gpus[gpu.index] = gpu
        return folded(list(self._gpus.values())) if len(self._gpus) >= gpu.count else None
