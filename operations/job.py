"""A job's directory: ``jobs/<id>/`` under its host's root, claimed once, and what it says about who lives.

It holds ``job.toml`` (what to do), ``lock`` (held by the supervisor and its worker), ``events.jsonl`` (what happened),
``readings.jsonl`` (the host meanwhile) and ``artefacts/``. A directory cut off between any two steps can be read.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import os
import platform
import secrets
import shutil
import time
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import tomli_w
from msgspec import Meta

from operations import events
from operations.contract import Artefact, Refusal
from operations.files import fsync_directory

JOB = "job.toml"
LOCK = "lock"
EVENTS = "events.jsonl"
READINGS = "readings.jsonl"
ARTEFACTS = "artefacts"
LAUNCH_SECONDS = 60.0
"""How long a job may take from its claim to its lock; until then a directory without a lock is not taken for dead."""
STOP = "stop"
"""Its appearance in the job's directory asks the job to checkpoint and end."""
KILL = "kill"
"""Its appearance ends the job's worker at once, for one that does not heed a stop."""

JobId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")]
JobState: TypeAlias = Literal["running", "finished", "dead", "absent"]
"""``finished`` has a last event; ``dead`` has none and nobody who could write one."""


class JobFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``job.toml`` holds: everything that a job is made of, apart from secrets.

    ``parameters`` are the operation's, an artefact as the table of `operations.contract.Artefact`. ``resume`` are the
    artefacts of the attempts that this job continues, oldest first. ``versions`` is filled in by the host.
    """

    schema: Literal[1] = 1
    id: JobId
    task: str
    operation: str
    round: int = 1
    occurrence: str = ""
    role: str = ""
    host: str = ""
    attempt: int = 1
    parameters: dict[str, Any] = {}
    resume: tuple[Artefact, ...] = ()
    threads: Annotated[int, Meta(ge=0)] = 0
    versions: dict[str, str] = {}


class AlreadyClaimed(Exception):
    """The job's directory is there already, made for the same job: launching it again is no fault."""


def encode(job: JobFile) -> bytes:
    """The job as TOML. Raises Refusal at a parameter that TOML can't hold, such as None."""
    try:
        return tomli_w.dumps(msgspec.to_builtins(job)).encode()
    except TypeError as error:
        raise Refusal(f"job {job.id}: a parameter can't be written as TOML: {error}") from None


def read(directory: Path) -> JobFile:
    """The job that the directory was claimed for. Raises Refusal if its job.toml is missing or broken."""
    try:
        job = msgspec.convert(tomllib.loads((directory / JOB).read_text("utf-8")), JobFile)
    except FileNotFoundError:
        raise Refusal(f"{directory} has no {JOB}") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Refusal(f"{directory / JOB} is no job: {error}") from None
    if job.id != directory.resolve().name:
        raise Refusal(f"{directory / JOB} is of job {job.id}, not of the directory it stands in")
    return job


def directory_of(root: Path, job: str) -> Path:
    """Where a job lives under its host's root. Raises Refusal if ``job`` is no job id."""
    try:
        msgspec.convert(job, JobId)
    except msgspec.ValidationError:
        raise Refusal(f"{job!r} is no job id") from None
    return root / "jobs" / job


@functools.cache
def versions() -> dict[str, str]:
    """The versions that a result depends on, by name; what is not installed is left out. Imports none of them."""
    # Half of what this module takes to import, and only who makes a job needs it.
    import importlib.metadata

    found = {"python": platform.python_version()}
    for name in ("gladiator-console", "mlx", "mlx-lm", "numpy"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def claim(root: Path, job: JobFile) -> Path:
    """Makes the job's directory with its ``job.toml``, whole or not at all, and returns it.

    Raises AlreadyClaimed if it is there for an equal job (versions apart), Refusal if it is there for another.
    """
    final = directory_of(root, job.id)
    data = encode(msgspec.structs.replace(job, versions=versions()))
    final.parent.mkdir(parents=True, exist_ok=True)
    new = final.parent / f".{job.id}.{secrets.token_hex(4)}.new"
    new.mkdir()
    try:
        with (new / JOB).open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        fsync_directory(new)
        try:
            new.rename(final)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            _same(read(final), job)
            raise AlreadyClaimed(job.id) from None
    finally:
        shutil.rmtree(new, ignore_errors=True)
    fsync_directory(final.parent)
    return final


def _same(there: JobFile, job: JobFile) -> None:
    bare = tomllib.loads(encode(msgspec.structs.replace(job, versions={})).decode())
    if msgspec.to_builtins(msgspec.structs.replace(there, versions={})) != msgspec.to_builtins(
        msgspec.convert(bare, JobFile)
    ):
        raise Refusal(f"job {job.id} is on this host already, with other contents")


def locked(directory: Path) -> bool:
    """Whether a supervisor or its worker still lives: the lock tells, never a pid."""
    try:
        descriptor = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def last_event(directory: Path) -> events.Event | None:
    """The last whole line of the job's events; None if there is none or it can't be read as an event."""
    try:
        with (directory / EVENTS).open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, end - 2 * events.LINE_LIMIT))
            lines = stream.read().split(b"\n")[:-1]
    except FileNotFoundError:
        return None
    try:
        return events.decode(lines[-1]) if lines else None
    except msgspec.DecodeError:
        return None


def state(directory: Path) -> JobState:
    """What the directory alone says about its job, whoever asks and whenever."""
    if not directory.is_dir():
        return "absent"
    if isinstance(last_event(directory), events.Finished):
        return "finished"
    if locked(directory):
        return "running"
    if _starting(directory):
        return "running"
    # Between the looks above a job may have ended: its last word counts.
    return "finished" if isinstance(last_event(directory), events.Finished) else "dead"


def _starting(directory: Path) -> bool:
    """Whether the job was claimed so lately that its supervisor may still be on its way to the lock."""
    if (directory / LOCK).exists():
        return False
    with contextlib.suppress(FileNotFoundError):
        return abs(time.time() - (directory / JOB).stat().st_mtime) < LAUNCH_SECONDS
    return False
