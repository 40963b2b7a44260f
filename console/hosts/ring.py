"""A round-robin file: a fixed number of equal periods, the oldest overwritten, with count, least, mean, most.

Every record stands alone with its period and a checksum: what a kill or a power cut tears is one record, which then
counts as a gap. The file's own header says what its columns are, so that a later program that knows more goes on in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from operations.files import write_atomic

_HEADER = 4_096
_FORMAT = "gladiator readings 1"


Record = dict[str, list[float]]
"""By column: count, least, mean, most; a column that had no value in the period is not in it."""


class Ring:
    """One open file. A period is a whole number of steps since 1970; what is outside the last ``slots`` is gone."""

    def __init__(self, path: Path, step: int, slots: int, columns: Sequence[str]) -> None:
        """Opens the file or makes it; one that is none, or of another shape, is set aside as ``NAME.aside``."""
        self.step, self.slots = step, slots
        self._path = path
        known = _columns(path, step, slots)
        if known is None:
            if path.exists():
                path.replace(path.with_name(f"{path.name}.aside"))
            _create(path, step, slots, columns)
            known = list(columns)
        self._columns = known
        self._form = struct.Struct(f"<q{'Iddd' * len(known)}")
        self._size = self._form.size + 4
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._last: tuple[int, Record] | None = None
        self._unwritten = False

    def close(self) -> None:
        self.flush()
        os.close(self._descriptor)

    def add(self, t: float, values: Mapping[str, float]) -> None:
        """Takes what was at that moment into its period, which is on its way to the disk once another one begins.

        A period that the ring has overwritten already is let go.
        """
        period = int(t // self.step)
        if self._last is None or self._last[0] != period:
            self.flush()
            found = self._at(period)
            if found is not None and found[0] > period:
                return
            self._last = period, found[1] if found is not None and found[0] == period else {}
        record = self._last[1]
        for name, value in values.items():
            point = record.get(name)
            if point is None:
                record[name] = [1, value, value, value]
                continue
            point[0] += 1
            point[1] = min(point[1], value)
            point[2] += (value - point[2]) / point[0]
            point[3] = max(point[3], value)
        self._unwritten = True

    def flush(self) -> None:
        """Writes what was added to the running period: a kill of this process loses nothing of it any more."""
        if self._last is not None and self._unwritten:
            os.pwrite(self._descriptor, self._packed(*self._last), self._place(self._last[0]))
        self._unwritten = False

    def table(self, first: int, last: int) -> Any:
        """The periods from ``first`` to ``last`` that have something, in order, as a numpy table.

        Its fields are ``period``, and for each column ``n``, ``low``, ``mean`` and ``high``. Imports numpy.
        """
        import numpy as np

        point = [("n", "<u4"), ("low", "<f8"), ("mean", "<f8"), ("high", "<f8")]
        kind = np.dtype([("period", "<i8"), *((name, point) for name in self._columns), ("crc", "<u4")])
        data = os.pread(self._descriptor, self.slots * self._size, _HEADER)
        whole = np.frombuffer(data, kind, len(data) // self._size)
        places = np.flatnonzero((whole["period"] >= max(first, 1)) & (whole["period"] <= last))
        size, view, sums = self._size, memoryview(data), whole["crc"].tolist()
        sound = [at for at in places.tolist() if zlib.crc32(view[at * size : (at + 1) * size - 4]) == sums[at]]
        order = sorted(sound, key=whole["period"].tolist().__getitem__)
        records = np.frombuffer(data, "u1", len(whole) * size).reshape(-1, size)  # as bytes they are copied at once
        return records[order].reshape(-1).view(kind)

    def newest(self, limit: float) -> float:
        """When the newest period not after ``limit`` ends, in seconds since 1970; 0 if there is none."""
        data = os.pread(self._descriptor, self.slots * self._size, _HEADER)
        last = int(limit // self.step)
        periods = (struct.unpack_from("<q", data, at)[0] for at in range(0, len(data) - self._size + 1, self._size))
        return float((max((p for p in periods if p <= last), default=-1) + 1) * self.step)

    def _place(self, period: int) -> int:
        return _HEADER + period % self.slots * self._size

    def _at(self, period: int) -> tuple[int, Record] | None:
        return self._read(os.pread(self._descriptor, self._size, self._place(period)))

    def _read(self, data: bytes) -> tuple[int, Record] | None:
        """The record; None where nothing was written, or not all of it."""
        if len(data) < self._size or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            return None
        period, *told = self._form.unpack(data[:-4])
        if period <= 0:
            return None
        points = (told[at : at + 4] for at in range(0, len(told), 4))
        return period, {name: point for name, point in zip(self._columns, points, strict=True) if point[0]}

    def _packed(self, period: int, record: Record) -> bytes:
        nothing = [0, 0.0, 0.0, 0.0]
        told = (part for name in self._columns for part in record.get(name, nothing))
        data = self._form.pack(period, *told)
        return data + zlib.crc32(data).to_bytes(4, "little")


def _create(path: Path, step: int, slots: int, columns: Sequence[str]) -> None:
    header = json.dumps({"format": _FORMAT, "step": step, "slots": slots, "columns": list(columns)}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        write_atomic(made, header.ljust(_HEADER - 1) + b"\n")
        with contextlib.suppress(FileExistsError):  # another console makes it just now: that one it is
            os.link(made, path)
    finally:
        made.unlink(missing_ok=True)


def _columns(path: Path, step: int, slots: int) -> list[str] | None:
    """The columns of a ring of that shape; None if there is no such file."""
    try:
        with path.open("rb") as stream:
            header = json.loads(stream.read(_HEADER))
        same = (header["format"], header["step"], header["slots"]) == (_FORMAT, step, slots)
        columns = header["columns"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return columns if same and isinstance(columns, list) and all(isinstance(c, str) for c in columns) else None
