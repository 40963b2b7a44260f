"""The BLAS that MLX multiplies with on a Linux CPU.

MLX's Linux wheel brings a slow reference BLAS. A system OpenBLAS loaded first, with its symbols global, is used
instead: ten and more times faster in float32. It must happen before the process first imports MLX.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

LIBRARY = "libopenblas.so.0"
OFF = "GLADIATOR_NO_BLAS"
"""Set to 1 in the environment, this keeps MLX on its own BLAS."""
_THREADS = "OPENBLAS_NUM_THREADS"


@functools.cache
def preload() -> str | None:
    """Loads OpenBLAS where there is one and returns its name; None where MLX keeps its own. Later calls only tell."""
    if sys.platform != "linux" or os.environ.get(OFF) == "1":
        return None
    try:
        ctypes.CDLL(LIBRARY, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return None
    return LIBRARY


@contextmanager
def unused() -> Iterator[None]:
    """What is imported or started within has an OpenBLAS without threads: they are begun, and spin, used or not."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before
