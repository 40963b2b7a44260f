"""TensorBoard's event files: written one scalar after the other, and read back to take an earlier attempt's over.

A file is a row of records: length (uint64, little-endian), masked CRC-32C of these eight bytes, the data, its masked
CRC-32C (TFRecord). The data is an ``Event`` of TensorFlow's event.proto, of which four fields are used: wall_time (1,
double), step (2, int64), file_version (3, string) and summary (5), a ``Summary`` of values with tag (1) and
simple_value (2, float).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

VERSION = b"brain.Event:2"
_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8


class Writer:
    """Appends to one event file of a directory, which is made. ``now`` is the time in seconds since 1970 (UTC)."""

    def __init__(self, directory: Path, now: float) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / f"events.out.tfevents.{int(now)}.training"
        self._stream = self.path.open("xb")
        self._record(_fixed(1, now) + _bytes(3, VERSION))

    def scalar(self, tag: str, value: float, step: int, now: float) -> None:
        """One point of a curve. NaN and infinities are kept as such."""
        inner = _bytes(1, tag.encode()) + b"\x15" + struct.pack("<f", _single(value))
        self._record(_fixed(1, now) + b"\x10" + _varint(step) + _bytes(5, _bytes(1, inner)))

    def take_over(self, file: Path, until: int) -> None:
        """Copies what an earlier attempt wrote up to and with a step; what is torn or damaged ends it."""
        for data in records(file):
            step = _step(data)
            if step is not None and 0 < step <= until:
                self._record(data)

    def flush(self) -> None:
        """Hands all points to the operating system, so that a TensorBoard that looks sees them."""
        self._stream.flush()

    def close(self) -> None:
        """Ends the file."""
        self._stream.close()

    def _record(self, data: bytes) -> None:
        size = struct.pack("<Q", len(data))
        self._stream.write(b"".join((size, _crc(size), data, _crc(data))))


def records(file: Path) -> Iterator[bytes]:
    """The data of a file's records, up to its end or to the first that is not whole."""
    with file.open("rb") as stream:
        while len(head := stream.read(12)) == 12 and _crc(head[:8]) == head[8:]:
            (size,) = struct.unpack("<Q", head[:8])
            data, check = stream.read(size), stream.read(4)
            if len(data) < size or _crc(data) != check:
                return
            yield data


def masked_crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli) rotated and moved, as TFRecord wants it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def _crc(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(data))


def _table() -> Iterator[int]:
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (_POLYNOMIAL if crc & 1 else 0)
        yield crc


_TABLE = tuple(_table())


def _single(value: float) -> float:
    """The value as far as four bytes hold it; what is too large is infinite there."""
    try:
        struct.pack("<f", value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    return value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _bytes(field: int, data: bytes) -> bytes:
    return bytes((field << 3 | 2,)) + _varint(len(data)) + data


def _fixed(field: int, value: float) -> bytes:
    return bytes((field << 3 | 1,)) + struct.pack("<d", value)


def _step(data: bytes) -> int | None:
    """The step of an event that this module wrote; None of one without."""
    if len(data) < 11 or data[9] != 0x10:
        return None
    step = shift = 0
    for byte in data[10:]:
        step |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return step
    return None
