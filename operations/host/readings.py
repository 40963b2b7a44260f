"""What the host is doing, once: processors, memory, disk, network, and what it has for GPU, temperature and power.

A reading that can't be had is None with a reason, never 0; the accelerator's figure is never a processor's. What only
tools or slow sensors tell comes from sources (`operations.host.sensed`), which are asked beside the sampling.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec
import psutil

from operations.host.sensed import Found, Source, together

NO_GPU = "no GPU is read on this host"
NO_POWER = "this host does not tell its power"
NO_SENSOR = "this host has no temperature sensor that can be read"
NO_PRESSURE = "only macOS tells its thermal pressure"
NO_DISK = "this host does not count what its disks write"
FIRST = "needs a second sample"


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sample; ``t`` in seconds since 1970 (UTC), memory and disk in bytes, rates in bytes a second.

    ``cpu_percent`` is over all processors, 0 to 100, since the sample before. Several GPUs are one: the greatest
    utilisation, the sum of their memory. ``temperature_c`` is the hottest sensor's; ``thermal_pressure`` macOS's own
    word for it, 0 (nominal) to 4. ``watts`` are the GPUs' where they tell theirs, else the machine's or its chip's.
    ``disk_written`` is over all disks.
    """

    t: float
    cpu_percent: float | None = None
    cpu_reason: str = ""
    gpu_percent: float | None = None
    gpu_reason: str = ""
    gpu_memory_used: float | None = None
    gpu_memory_total: float | None = None
    gpu_memory_reason: str = ""
    ram_used: int
    ram_total: int
    temperature_c: float | None = None
    temperature_reason: str = ""
    thermal_pressure: int | None = None
    thermal_reason: str = ""
    watts: float | None = None
    watts_reason: str = ""
    disk_free: int
    disk_written: float | None = None
    disk_reason: str = ""
    load1: float
    net_sent: float | None = None
    net_received: float | None = None
    net_reason: str = ""


class Sampler:
    """Takes readings one after the other; what is a rate needs the one before. Close it: its tools end with it."""

    def __init__(self, root: Path, sources: Sequence[Source] | None = None) -> None:
        self._root = root
        self._sources = _sources() if sources is None else sources
        self._then = 0.0
        self._cpu: tuple[float, float] | None = None
        self._net: tuple[int, int] | None = None
        self._written: int | None = None

    def sample(self) -> Reading:
        """A reading now; takes about a millisecond, whatever a tool does. Disk is that of the root given."""
        now = time.monotonic()
        cpu, net, written = _processors(), _network(), _written()
        elapsed = now - self._then
        busy = sent = received = rate = None
        if self._cpu is not None and cpu[1] > self._cpu[1]:
            busy = min(100.0, max(0.0, 100 * (cpu[0] - self._cpu[0]) / (cpu[1] - self._cpu[1])))
        if self._net is not None and elapsed > 0 and net[0] >= self._net[0] and net[1] >= self._net[1]:
            sent, received = (net[0] - self._net[0]) / elapsed, (net[1] - self._net[1]) / elapsed
        if self._written is not None and written is not None and elapsed > 0 and written >= self._written:
            rate = (written - self._written) / elapsed
        self._then, self._cpu, self._net, self._written = now, cpu, net, written
        memory = psutil.virtual_memory()
        sensed = together([source.sense() for source in self._sources])
        gpu, gpu_reason = _found(sensed.gpu, NO_GPU)
        gpu_used, gpu_memory_reason = _found(sensed.gpu_memory_used, NO_GPU)
        temperature, temperature_reason = _found(sensed.temperature, NO_SENSOR)
        pressure, thermal_reason = _found(sensed.pressure, NO_PRESSURE)
        watts, watts_reason = _found(sensed.watts, NO_POWER)
        return Reading(
            t=time.time(),
            cpu_percent=busy,
            cpu_reason="" if busy is not None else FIRST,
            gpu_percent=gpu,
            gpu_reason=gpu_reason,
            gpu_memory_used=gpu_used,
            gpu_memory_total=sensed.gpu_memory_total[0],
            gpu_memory_reason=gpu_memory_reason,
            ram_used=memory.total - memory.available,
            ram_total=memory.total,
            temperature_c=temperature,
            temperature_reason=temperature_reason,
            thermal_pressure=None if pressure is None else int(pressure),
            thermal_reason=thermal_reason,
            watts=watts,
            watts_reason=watts_reason,
            disk_free=shutil.disk_usage(self._root).free,
            disk_written=rate,
            disk_reason="" if rate is not None else NO_DISK if written is None else FIRST,
            load1=psutil.getloadavg()[0],
            net_sent=sent,
            net_received=received,
            net_reason="" if sent is not None else FIRST,
        )

    def close(self) -> None:
        """Ends what its sources run; the next sample begins anew."""
        for source in self._sources:
            source.close()

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()


def _sources() -> list[Source]:
    """Those of this host."""
    if sys.platform == "darwin":
        from operations.host.macos import Macos

        return [Macos()]
    from operations.host.linux import Hwmon
    from operations.host.nvidia import Nvidia

    gpus = Nvidia.here()
    return [gpus, Hwmon()] if gpus else [Hwmon()]


def _found(found: Found, otherwise: str) -> Found:
    """The value, or None with a reason in any case."""
    return found if found[0] is not None else (None, found[1] or otherwise)


def _processors() -> tuple[float, float]:
    """(busy, all) processor seconds since the start of the machine."""
    times = psutil.cpu_times()
    # guest time is counted in user time already
    total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return total - times.idle - getattr(times, "iowait", 0.0), total


def _network() -> tuple[int, int]:
    """(sent, received) bytes over all interfaces but loopback."""
    counters = [c for name, c in psutil.net_io_counters(pernic=True).items() if name not in ("lo", "lo0")]
    return sum(c.bytes_sent for c in counters), sum(c.bytes_recv for c in counters)


def _written() -> int | None:
    """Bytes that all disks have written; None where they are not counted."""
    try:
        counters = psutil.disk_io_counters()
    except (OSError, RuntimeError, NotImplementedError):
        return None
    return counters.write_bytes if counters is not None else None
