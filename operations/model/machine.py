"""What MLX computes on here: device, linear algebra library, threads, memory."""

from __future__ import annotations

import ctypes
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

NO_DEVICE = "no device: MLX computes on the CPU"


@dataclass(frozen=True, slots=True)
class Blas:
    """The linear algebra library; equal ones compute equal bits. ``threads`` is None where it doesn't tell."""

    name: str
    threads: int | None


def blas() -> Blas:
    """The library that MLX's CPU backend multiplies with; call it after MLX was imported."""
    if sys.platform == "darwin":
        return Blas("Accelerate", None)
    library = _mapped("libopenblas")
    if library is None:
        return Blas("the MLX wheel's own", None)
    handle = ctypes.CDLL(library)
    handle.openblas_get_config.restype = ctypes.c_char_p
    handle.openblas_get_num_threads.restype = ctypes.c_int
    return Blas(handle.openblas_get_config().decode("ascii", "replace").strip(), int(handle.openblas_get_num_threads()))


def blas_speed(size: int = 1_024, rounds: int = 5) -> float:
    """The best of several float32 products of two ``size`` x ``size`` matrices on MLX's device, in GFLOP/s."""
    import mlx.core as mx

    a = mx.random.normal((size, size), key=mx.random.key(1))
    b = mx.random.normal((size, size), key=mx.random.key(2))
    mx.eval(a, b)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        mx.eval(a @ b)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def has_gpu() -> bool:
    """True where MLX computes on a GPU."""
    import mlx.core as mx

    return bool(mx.default_device() == mx.Device(mx.gpu))


def device() -> str:
    """The device by name, and on a CPU its linear algebra library."""
    import mlx.core as mx

    if has_gpu():
        return str(mx.device_info().get("device_name", "GPU"))
    return f"CPU, BLAS {blas().name}"


def resident() -> float:
    """This process's resident memory in GB."""
    return float(psutil.Process().memory_info().rss) / 1e9


def _mapped(name: str) -> str | None:
    """The path of the first library mapped into this process whose file name begins with ``name``."""
    try:
        maps = Path("/proc/self/maps").read_text()
    except OSError:
        return None
    for line in maps.splitlines():
        path = line.split(maxsplit=5)[5:]
        if path and Path(path[0]).name.startswith(name):
            return path[0]
    return None
