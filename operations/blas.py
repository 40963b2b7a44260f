"""The BLAS that MLX multiplies with on a Linux CPU.

MLX's Linux wheel brings a slow reference BLAS. A system OpenBLAS loaded first, with its symbols global, is used
instead: ten and more times faster in float32. It must happen before the process first imports MLX.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys

LIBRARY = "libopenblas.so.0"
OFF = "GLADIATOR_NO_BLAS"
"""Set to 1 in the environment, this keeps MLX on its own BLAS."""


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
