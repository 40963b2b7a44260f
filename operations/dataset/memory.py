"""How a process that handles one batch after another keeps its memory."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The GNU C library's names in ``mallopt``."""
_KEPT = 1 << 25
"""Bytes: the most that MMAP_THRESHOLD can be."""


def keep() -> None:
    """Has the process keep what it frees for its next batch, up to 128 MiB, where the GNU C library is.

    Otherwise each batch's buffers go back to the kernel and the next one's are faulted in page by page, which costs as
    much as reading the batch does, and on a virtual machine several times that.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        library.mallopt(_TRIM_THRESHOLD, 4 * _KEPT)
        library.mallopt(_MMAP_THRESHOLD, _KEPT)
