"""What the host is doing, once: processors, memory, disk, network, and what it has for temperature and power.

A reading that can't be had is None with a reason, never 0; the accelerator's figure is never a processor's.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import msgspec
import psutil

NO_GPU = "no GPU is read on this host"
NO_POWER = "this host does not tell its power"
NO_SENSOR = "this host has no temperature sensor that can be read"
FIRST = "needs a second sample"


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One sample; ``t`` in seconds since 1970 (UTC), memory and disk in bytes, rates in bytes a second.

    ``cpu_percent`` is over all processors, 0 to 100, since the sample before.
    """

    t: float
    cpu_percent: float | None = None
    cpu_reason: str = ""
    gpu_percent: float | None = None
    gpu_reason: str = ""
    ram_used: int
    ram_total: int
    temperature_c: float | None = None
    temperature_reason: str = ""
    watts: float | None = None
    watts_reason: str = ""
    disk_free: int
    load1: float
    net_sent: float | None = None
    net_received: float | None = None
    net_reason: str = ""


class Sampler:
    """Takes readings one after the other; what is a rate needs the one before."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._then = 0.0
        self._cpu: tuple[float, float] | None = None
        self._net: tuple[int, int] | None = None

    def sample(self) -> Reading:
        """A reading now; takes about a millisecond. Disk is that of the root given."""
        now = time.monotonic()
        cpu, net = _processors(), _network()
        elapsed = now - self._then
        busy = sent = received = None
        if self._cpu is not None and cpu[1] > self._cpu[1]:
            busy = min(100.0, max(0.0, 100 * (cpu[0] - self._cpu[0]) / (cpu[1] - self._cpu[1])))
        if self._net is not None and elapsed > 0 and net[0] >= self._net[0] and net[1] >= self._net[1]:
            sent, received = (net[0] - self._net[0]) / elapsed, (net[1] - self._net[1]) / elapsed
        self._then, self._cpu, self._net = now, cpu, net
        memory = psutil.virtual_memory()
        temperature = _temperature()
        return Reading(
            t=time.time(),
            cpu_percent=busy,
            cpu_reason="" if busy is not None else FIRST,
            gpu_reason=NO_GPU,
            ram_used=memory.total - memory.available,
            ram_total=memory.total,
            temperature_c=temperature,
            temperature_reason="" if temperature is not None else NO_SENSOR,
            watts_reason=NO_POWER,
            disk_free=shutil.disk_usage(self._root).free,
            load1=psutil.getloadavg()[0],
            net_sent=sent,
            net_received=received,
            net_reason="" if sent is not None else FIRST,
        )


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


def _temperature() -> float | None:
    """The hottest sensor's, in °C; 0 means missing."""
    if sys.platform != "linux":
        return None
    found = [s.current for sensors in psutil.sensors_temperatures().values() for s in sensors]
    return max((t for t in found if t and t > 0), default=None)
