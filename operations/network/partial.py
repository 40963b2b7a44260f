"""What a sink has of an artefact that has not all come, and a ledger of the digests with which its blocks came."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TypeAlias

import msgspec

from operations.contract import Artefact, Context, Refusal
from operations.files import CHUNK, fsync_directory, write_atomic
from operations.network.passing import BLOCK, begin_of, ends

OUTPUT = "partial"
Marks: TypeAlias = list[tuple[int, str]]
_MARKER = "partial.json"
_NOTHING = hashlib.sha256().hexdigest()


class Marker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the artefact ``partial`` holds: whose part lies beside it, by the whole artefact's digest."""

    sha256: str


class Partial:
    """A part in some job's directory: ``data``, a file or a directory, and its ledger; hidden until it is whole."""

    def __init__(self, context: Context, artefact: Artefact, marker: Path) -> None:
        self._context = context
        self._artefact = artefact
        self._marker = marker
        self.name = Path(artefact.path).name
        self.data = marker.with_name(f".{self.name}.part")
        self._ledger = marker.with_name(f".{self.name}.ledger")
        self._lines: IO[str] | None = None
        self._hashers: dict[str, hashlib._Hash] = {}
        self._marks: dict[str, Marks] = {}
        self._new = 0
        self._reported = False

    @property
    def bytes(self) -> int:
        """Bytes that are here as they came."""
        return sum(marks[-1][0] for marks in self._marks.values() if marks)

    @property
    def held(self) -> int:
        """Bytes that are here, whatever they are: all that can be told of what rsync brings."""
        files = self.data.rglob("*") if self.data.is_dir() else [self.data]
        return sum(file.stat().st_size for file in files if file.is_file())

    def marks(self, path: str, most: int) -> Marks:
        """(length, SHA-256 up to there) at the end of each block of a file that is here, up to ``most`` bytes."""
        return [mark for mark in self._marks.get(path, []) if mark[0] <= most]

    def hasher(self, path: str, length: int, tell: Callable[[int], None]) -> hashlib._Hash:
        """The hasher that has read a file up to one of its marks; where it has to read, ``tell`` gets the bytes."""
        marks = self._marks.get(path, [])
        if path in self._hashers and marks and marks[-1][0] == length:
            return self._hashers[path].copy()
        hasher = hashlib.sha256()
        for end in self._read(path, hasher, length) if length else ():
            tell(end)
        return hasher

    def read(self, path: str, length: int, tell: Callable[[int], None]) -> str:
        """Reads a file of the part and notes it, as if it came just now; returns its digest."""
        hasher = hashlib.sha256()
        self._marks.pop(path, None)
        for end in self._read(path, hasher, length):
            self.came(path, end, hasher.hexdigest())
            tell(end)
        return hasher.hexdigest()

    def _read(self, path: str, hasher: hashlib._Hash, length: int) -> Iterator[int]:
        """The end of each block, once it is hashed."""
        with self._file(path).open("rb", buffering=0) as stream:
            for end in ends(length):
                if not _read(stream, hasher, end - begin_of(end)):
                    raise Refusal(f"{path or self.name} became shorter while it was read")
                yield end

    def came(self, path: str, length: int, sha256: str) -> None:
        """Notes with what digest the file came up to ``length``. What is worth it is told, so it can be taken up."""
        marks = self._marks.setdefault(path, [])
        marks.append((length, sha256))
        if "\n" in path:
            return  # no line could hold it: after a cut such a file comes once more
        self._line(length, sha256, path)
        self._new += length - (marks[-2][0] if len(marks) > 1 else 0)
        if self._new >= BLOCK:
            self.tell()

    def keep(self, path: str, length: int) -> None:
        """Cuts the file off at ``length``, one of its marks or 0."""
        marks = self._marks.get(path, [])
        if not marks or marks[-1][0] <= length:
            return
        self._hashers.pop(path, None)
        while marks and marks[-1][0] > length:
            marks.pop()
        os.truncate(self._file(path), length)
        if "\n" not in path:
            # The last mark once more, or that of nothing: what stood beyond it counts no longer.
            self._line(*(marks[-1] if marks else (0, _NOTHING)), path)

    def _line(self, length: int, sha256: str, path: str) -> None:
        if self._lines is None:
            self._lines = self._ledger.open("a")
        self._lines.write(f"{length} {sha256} {path}\n")
        self._lines.flush()

    def _file(self, path: str) -> Path:
        return self.data / path if path else self.data

    def tell(self) -> None:
        """Reports the part, once, as what the next attempt goes on from."""
        if not self._reported:
            self._reported = True
            if not self._marker.exists():
                write_atomic(self._marker, msgspec.json.encode(Marker(self._artefact.sha256)))
            self._context.artefact(OUTPUT, self._marker)

    def close(self) -> None:
        """Lets go of the ledger. A part that nobody can take up goes."""
        if self._lines:
            self._lines.close()
            self._lines = None
        if not self._reported:
            self.remove()

    def remove(self) -> None:
        """Takes away the part and what was known of it."""
        if self.data.is_dir():
            shutil.rmtree(self.data, ignore_errors=True)
        self.data.unlink(missing_ok=True)
        self._ledger.unlink(missing_ok=True)

    def finish(self, final: Path, *, directory: bool) -> None:
        """Puts the whole artefact in its place, durably."""
        if directory:
            for found in (self.data, *(p for p in self.data.rglob("*") if p.is_dir())):
                fsync_directory(found)
        self.data.rename(final)
        fsync_directory(final.parent)
        self._reported = False

    def read_again(self, tell: Callable[[int], None]) -> None:
        """Finds out how much of what the ledger says is still there as it came; ``tell`` gets the bytes so far."""
        done = 0
        for path, noted in _marks(self._ledger).items():
            # A path in the ledger was checked when it came; a link put there since leads nowhere else.
            file = self._file(path)
            hasher, length = hashlib.sha256(), 0
            found: Marks = []
            if file.is_symlink() or not file.is_file():
                continue
            with file.open("rb", buffering=0) as stream:
                for mark, sha256 in noted:
                    ahead = hasher.copy()
                    if not _read(stream, ahead, mark - length) or ahead.hexdigest() != sha256:
                        break
                    done += mark - length
                    hasher, length = ahead, mark
                    found.append((mark, sha256))
                    tell(done)
            self._hashers[path], self._marks[path] = hasher, found


def new(context: Context, artefact: Artefact) -> Partial:
    """A part that is empty, in this job's own directory."""
    return Partial(context, artefact, context.output(_MARKER))


def taken_up(context: Context, artefact: Artefact, *, unread: bool = False) -> Partial:
    """The newest part that an earlier attempt left of this artefact, read again unless ``unread``; else a new one."""
    for left in reversed(context.resume):
        if left.name != OUTPUT:
            continue
        try:
            path = context.input(left)
            found = msgspec.json.decode(path.read_bytes(), type=Marker)
        except (Refusal, OSError, msgspec.DecodeError) as error:
            context.log(f"the part of job {left.job} can't be taken up: {error}", "warning")
            continue
        if found.sha256 != artefact.sha256:
            continue
        part = Partial(context, artefact, path)
        if unread:
            part.tell()
            return part
        part.read_again(lambda done: context.progress(done, artefact.size, "bytes"))
        if part.bytes:
            context.log(f"{part.bytes} of {artefact.size} bytes are here from job {left.job} as they came: going on")
            part.tell()
            return part
        part.remove()
    return new(context, artefact)


def _marks(ledger: Path) -> dict[str, Marks]:
    """(length, digest) by path, in rising order; what is no line, such as a last one that was cut, is left out."""
    found: dict[str, Marks] = {}
    try:
        text = ledger.read_text(errors="replace")
    except OSError:
        return {}
    for line in text.split("\n")[:-1]:
        length, _, rest = line.partition(" ")
        sha256, _, path = rest.partition(" ")
        marks = found.setdefault(path, [])
        if length.isascii() and length.isdigit() and len(sha256) == 64:
            # A file that began anew after its source had changed begins anew here.
            while marks and marks[-1][0] >= int(length):
                marks.pop()
            marks.append((int(length), sha256))
    return found


def _read(stream: IO[bytes], hasher: hashlib._Hash, count: int) -> bool:
    """Hashes the next ``count`` bytes; False if they are not there."""
    buffer = memoryview(bytearray(CHUNK))
    while count:
        read = stream.readinto(buffer[: min(CHUNK, count)])  # type: ignore[attr-defined]
        if not read:
            return False
        hasher.update(buffer[:read])
        count -= read
    return True
