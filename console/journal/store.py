"""The journal on disk: one SQLite file in WAL mode, flushed at every append, each row bound to the one before it.

The stored bytes are hashed as they are and never encoded again, so a later version of the program can't change what an
earlier one meant. A chain catches edits, deletions and swaps; what it can't catch, a cut tail or a full re-hash, is
caught by the heads that decisions carry (see `console.journal.audit`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from console import clock
from console.journal.entries import AnyEntry, Created, Row, decode_row, encode_row
from console.journal.fold import State

_TABLE = "CREATE TABLE row (sequence INTEGER PRIMARY KEY, key TEXT UNIQUE, stored BLOB NOT NULL, hash TEXT NOT NULL)"
_APPLICATION = 0x474C4144  # "GLAD": PRAGMA application_id tells our file from any other SQLite file

Build = Callable[[State], "list[tuple[str | None, AnyEntry]]"]
"""Given the state at the head, inside the transaction: the rows to append, each with its unique key or None."""


class JournalError(Exception):
    """The journal can't be read or written, or is not what it should be: one line."""


class Duplicate(Exception):
    """A row of that key exists: someone else was first."""


def now() -> str:
    """The time of a row: UTC, milliseconds."""
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """One open journal and its fold. Not for use from several threads."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._state = State()
        self._version = -1

    @classmethod
    def create(cls, path: Path, first: Created, operator: str) -> Journal:
        """A new journal with its first row. Raises JournalError if the file exists or can't be made."""
        if path.exists():
            raise JournalError(f"{path} exists")
        journal = cls(path, _connect(path, create=True))
        with journal._transaction():
            journal._connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            journal._connection.execute(_TABLE)
            journal._insert("created", first, operator)
        journal._version = journal._data_version()
        return journal

    @classmethod
    def open(cls, path: Path) -> Journal:
        """An existing journal, folded to its head. Raises JournalError if it is none or its chain is broken."""
        if not path.is_file():
            raise JournalError(f"{path}: no such journal")
        journal = cls(path, _connect(path, create=False))
        try:
            if journal._connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
                raise JournalError(f"{path}: not a journal of this program")
            journal.refresh()
        except sqlite3.Error as error:
            raise JournalError(f"{path}: {error}") from error
        return journal

    def close(self) -> None:
        self._connection.close()

    @property
    def state(self) -> State:
        """The fold as of the last refresh or append; not to be changed."""
        return self._state

    def changed(self) -> bool:
        """Whether another connection wrote since the last refresh; costs one pragma."""
        return self._data_version() != self._version

    def refresh(self) -> State:
        """Folds what others appended. Raises JournalError at a row that doesn't fit the chain."""
        self._version = self._data_version()
        for row, digest in self.rows(self._state.sequence):
            self._state.apply(row, digest)
        return self._state

    def rows(self, after: int = 0) -> Iterator[tuple[Row, str]]:
        """Rows after a sequence number with their hashes, each checked against its hash and the row before it."""
        previous = ""
        if after:
            found = self._connection.execute("SELECT hash FROM row WHERE sequence = ?", (after,)).fetchone()
            if found is None:
                raise JournalError(f"{self.path}: row {after} is missing")
            previous = found[0]
        cursor = self._connection.execute(
            "SELECT sequence, stored, hash FROM row WHERE sequence > ? ORDER BY sequence", (after,)
        )
        for sequence, stored, digest in cursor:
            after += 1
            row = _checked(self.path, after, sequence, stored, digest, previous)
            previous = digest
            yield row, digest

    def append(self, operator: str, build: Build) -> list[Row]:
        """Appends what ``build`` returns for the state at the head, all or nothing.

        ``build`` may raise to refuse; nothing is written then. Raises Duplicate if a key exists, JournalError if the
        disk refuses, ValueError without an operator.
        """
        if not operator.strip():
            raise ValueError("a row needs an operator's name")
        with self._transaction():
            self.refresh()
            rows = []
            for key, entry in build(self._state):
                rows.append(self._insert(key, entry, operator))
        return rows

    def _insert(self, key: str | None, entry: AnyEntry, operator: str) -> Row:
        row = Row(
            sequence=self._state.sequence + 1, previous=self._state.head, time=now(), operator=operator, entry=entry
        )
        stored = encode_row(row)
        digest = hashlib.sha256(stored).hexdigest()
        try:
            self._connection.execute("INSERT INTO row VALUES (?, ?, ?, ?)", (row.sequence, key, stored, digest))
        except sqlite3.IntegrityError as error:
            raise Duplicate(key) from error
        self._state.apply(row, digest)
        return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One write transaction; the fold is thrown away with it if it fails, and read again."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise JournalError(f"{self.path}: {error}") from error
        before = self._state.sequence
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if self._state.sequence != before:
                self._state = State()
                if before:
                    self.refresh()
            if isinstance(error, sqlite3.Error):
                raise JournalError(f"{self.path}: {error}") from error
            raise

    def _data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


def _checked(path: Path, expected: int, sequence: int, stored: object, digest: str, previous: str) -> Row:
    if sequence != expected:
        raise JournalError(f"{path}: row {expected} is missing")
    if not isinstance(stored, bytes) or hashlib.sha256(stored).hexdigest() != digest:
        raise JournalError(f"{path}: row {sequence} does not have its hash")
    try:
        row = decode_row(stored)
    except msgspec.DecodeError as error:
        raise JournalError(f"{path}: row {sequence} can't be read: {error}") from error
    if row.sequence != sequence or row.previous != previous:
        raise JournalError(f"{path}: row {sequence} does not follow the row before it")
    return row


def _connect(path: Path, *, create: bool) -> sqlite3.Connection:
    try:
        mode = "rwc" if create else "rw"
        uri = f"{path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        raise JournalError(f"{path}: {error}") from error
    return connection
