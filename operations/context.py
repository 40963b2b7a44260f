"""What an operation gets to work with: `operations.contract.Context` as the worker provides it."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from operations import events
from operations.contract import Artefact, Kind, Level, Measure, Operation, Refusal, Value
from operations.files import digest
from operations.job import ARTEFACTS, JobFile, directory_of
from operations.lines import cut

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Teller:
    """Sends events to the supervisor, one whole line at a time, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self.end = events.Finished(t=0.0, outcome="done")
        """What the worker's last word will be if nothing goes wrong."""

    def tell(self, event: events.Event) -> None:
        """Returns once the pipe has taken it. Raises ValueError if it is too long for a line."""
        line = memoryview(events.encode(event))
        with self._lock:
            while line:
                line = line[os.write(self._descriptor, line) :]


class JobContext:
    """The context of one job; see `operations.contract.Context` for what each member promises."""

    def __init__(
        self,
        directory: Path,
        job_file: JobFile,
        operation: Operation,
        teller: Teller,
        asked: threading.Event,
        secrets: Mapping[str, str],
    ) -> None:
        self.job = job_file.id
        self.directory = directory
        self.root = directory.parent.parent
        self.threads = job_file.threads
        self.resume = job_file.resume
        self._operation = operation
        self._teller = teller
        self._asked = asked
        self._secrets = secrets
        self._verified: dict[Artefact, Path] = {}

    @property
    def stopping(self) -> bool:
        """True once someone asked the job to checkpoint and end."""
        return self._asked.is_set()

    def secret(self, name: str) -> str:
        """A value handed over at launch. Raises Refusal if absent."""
        try:
            return self._secrets[name]
        except KeyError:
            raise Refusal(f"the job was launched without its secret {name!r}") from None

    def input(self, artefact: Artefact) -> Path:
        """The verified path of an input. Raises Refusal if it is not that file."""
        if artefact not in self._verified:
            path = self.inside(artefact.path)
            if not path.exists():
                raise Refusal(f"input {artefact.path} of job {artefact.job} is not on this host")
            try:
                found, size = digest(path)
            except (OSError, ValueError) as error:
                raise Refusal(f"input {artefact.path} of job {artefact.job} can't be read: {error}") from None
            if found != artefact.sha256:
                raise Refusal(
                    f"input {artefact.path} is not what job {artefact.job} made: {size} bytes with SHA-256 {found}, "
                    f"expected {artefact.size} bytes with {artefact.sha256}"
                )
            self._verified[artefact] = path
        return self._verified[artefact]

    def inside(self, path: str) -> Path:
        """The absolute path of one relative to the root. Raises Refusal if it would leave the root."""
        if not path or "\0" in path or path.startswith("/") or ".." in path.split("/"):
            raise Refusal(f"{path!r} is no path inside the host's root")
        resolved = (self.root / path).resolve()
        if not resolved.is_relative_to(self.root):
            raise Refusal(f"{path!r} leads out of the host's root")
        return resolved

    def output(self, filename: str) -> Path:
        """Where an artefact of that name belongs; its directory is made. Raises Refusal at a name that leads away."""
        artefacts = self.directory / ARTEFACTS
        if not filename or "\0" in filename or filename.startswith("/") or {"..", "."} & set(filename.split("/")):
            raise Refusal(f"{filename!r} is no file name for an artefact")
        path = artefacts / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.parent.resolve().is_relative_to(artefacts):
            raise Refusal(f"{filename!r} leads out of the job's directory")
        return path

    def observed(self, job: str) -> Path:
        """The directory of another job on this host. Raises Refusal if there is none."""
        path = directory_of(self.root, job)
        if not path.is_dir():
            raise Refusal(f"job {job} is not on this host")
        return path

    def log(self, text: str, level: Level = "info") -> None:
        """Tells a person something; each line of ``text`` becomes one event."""
        for line in text.splitlines() or [""]:
            self._teller.tell(events.Log(t=time.time(), text=cut(line), level=level))

    def progress(self, done: int, total: int, unit: str) -> None:
        """How far the work is."""
        self._teller.tell(events.Progress(t=time.time(), done=int(done), total=int(total), unit=unit))

    def metric(self, name: str, value: float, step: int) -> None:
        """One point of a curve."""
        number, nonfinite = events.finite(float(_plain(value)))
        self._teller.tell(events.Metric(t=time.time(), name=name, step=int(step), value=number, nonfinite=nonfinite))

    def measure(
        self,
        name: str,
        value: Value,
        *,
        n: int | None = None,
        count: int | None = None,
        step: int | None = None,
        reason: str = "",
    ) -> None:
        """Reports a declared measure. Raises ValueError if it is not declared or not of its kind."""
        declared = self._operation.measure(name)
        if declared is None:
            raise ValueError(f"{self._operation.name} declares no measure {name!r}")
        if declared.series != (step is not None):
            raise ValueError(f"measure {name}: a step belongs to a series, and only there")
        plain, nonfinite = checked(declared, value, _count(n), _count(count), reason)
        self._teller.tell(
            events.Measured(
                t=time.time(),
                name=name,
                value=plain,
                unit=declared.unit,
                n=_count(n),
                count=_count(count),
                step=_count(step),
                reason=cut(reason),
                nonfinite=nonfinite,
            )
        )

    def artefact(
        self, name: str, path: Path, *, step: int | None = None, taken: Mapping[str, str] = MappingProxyType({})
    ) -> Artefact:
        """Reports a finished file or directory as a declared output. Raises ValueError if it is none of the job's."""
        declared = self._operation.output(name)
        if declared is None:
            raise ValueError(f"{self._operation.name} declares no output {name!r}")
        if declared.many != (step is not None):
            raise ValueError(f"output {name}: a step belongs to one that is made many times, and only there")
        resolved = path.resolve()
        if not resolved.is_relative_to(self.root) or resolved == self.root:
            raise ValueError(f"output {name}: {path} is not below the host's root")
        sha256, size = digest(resolved, taken)
        relative = resolved.relative_to(self.root).as_posix()
        self._teller.tell(
            events.Made(
                t=time.time(),
                name=name,
                path=relative,
                size=size,
                sha256=sha256,
                retention=declared.retention,
                step=_count(step),
            )
        )
        return Artefact(path=relative, sha256=sha256, size=size, job=self.job, name=name)

    def relay(self, event: events.Event) -> None:
        """Passes on what another process of this job told, whose context has checked it."""
        self._teller.tell(event)

    def endpoint(self, address: str, port: int) -> None:
        """Tells the other role's job where to connect."""
        self._teller.tell(events.Endpoint(t=time.time(), address=address, port=port))

    def stopped(self, reason: str) -> None:
        """The job ends before its work is done, because it was asked to."""
        self._teller.end = events.Finished(t=time.time(), outcome="stopped", reason=cut(reason))


def checked(
    declared: Measure, value: Any, n: int | None, count: int | None, reason: str
) -> tuple[Any, events.NonFinite | None]:
    """The value as an event carries it, of the declared kind. Raises ValueError if it is not."""
    if value is None:
        if not reason:
            raise ValueError(f"measure {declared.name}: a value that could not be had needs a reason")
        return None, None
    plain = _plain(value)
    fault = _FAULTS[declared.kind](plain, n, count)
    if fault:
        raise ValueError(f"measure {declared.name}: {fault}, got {plain!r:.80}")
    if isinstance(plain, float):
        return events.finite(plain)
    if isinstance(plain, str):
        return cut(plain), None
    if isinstance(plain, Mapping):
        cells = {str(name): _plain(cell) for name, cell in plain.items()}
        strange = [events.finite(cell)[1] for cell in cells.values() if isinstance(cell, float)]
        table = {name: events.finite(cell)[0] if isinstance(cell, float) else cell for name, cell in cells.items()}
        return table, next((s for s in strange if s), None)
    return plain, None


def _number(value: Any, _n: int | None, _count: int | None) -> str:
    return "" if isinstance(value, int | float) and not isinstance(value, bool) else "it must be a number"


def _whole(value: Any, _n: int | None, _count: int | None) -> str:
    return "" if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else "it must be a count"


def _proportion(value: Any, n: int | None, count: int | None) -> str:
    if n is None or count is None or not 0 <= count <= n or n == 0:
        return f"a proportion needs n and count (n={n}, count={count})"
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value - count / n) <= 1e-6:
        return f"it must be {count} of {n}"
    return ""


def _text(value: Any, _n: int | None, _count: int | None) -> str:
    fits = isinstance(value, str) and len(value) <= events.TEXT_LIMIT
    return "" if fits else f"it must be a text of at most {events.TEXT_LIMIT} characters"


def _flag(value: Any, _n: int | None, _count: int | None) -> str:
    return "" if isinstance(value, bool) else "it must be true or false"


def _table(value: Any, _n: int | None, _count: int | None) -> str:
    if not isinstance(value, Mapping):
        return "it must be a table"
    cells = [_plain(cell) for cell in value.values()]
    fits = all(cell is None or (isinstance(cell, int | float) and not isinstance(cell, bool)) for cell in cells)
    return "" if fits else "a table holds numbers or None"


def _digest(value: Any, _n: int | None, _count: int | None) -> str:
    fits = isinstance(value, str) and _SHA256.fullmatch(value)
    return "" if fits else "it must be a SHA-256 in 64 lower-case hex digits"


_FAULTS = {
    Kind.NUMBER: _number,
    Kind.COUNT: _whole,
    Kind.PROPORTION: _proportion,
    Kind.TEXT: _text,
    Kind.FLAG: _flag,
    Kind.TABLE: _table,
    Kind.DIGEST: _digest,
}


def _plain(value: Any) -> Any:
    """A scalar of numpy or MLX as Python's own; anything else as it is."""
    return value.item() if hasattr(value, "item") else value


def _count(value: int | None) -> int | None:
    return None if value is None else int(_plain(value))
