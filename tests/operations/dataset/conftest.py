"""A host's root on which the data operations run as the worker would run them."""

import json
import os
import threading
from pathlib import Path

import msgspec
import pytest

from operations import events, job, registry
from operations.context import JobContext, Teller
from operations.contract import Artefact
from operations.files import digest


class Stopped(JobContext):
    """A context that asks its job to end after some progress."""

    left = 0

    def progress(self, done, total, unit):
        super().progress(done, total, unit)
        self.left -= 1
        if self.left == 0:
            self._asked.set()


class Host:
    """Jobs on one root."""

    def __init__(self, root: Path):
        self.root = root
        self.count = 0

    def run(self, name: str, *, resume=(), stop_after: int = 0, **parameters):
        """Measures by name, artefacts by name, log texts; what the operation raises is raised.

        ``resume`` is what an earlier job left; after ``stop_after`` tellings of progress the job is asked to end.
        """
        self.count += 1
        plain = {key: msgspec.to_builtins(value) for key, value in parameters.items()}
        described = job.JobFile(
            id=f"job-{self.count}", task="T", operation=name, parameters=plain, resume=tuple(resume)
        )
        directory = job.claim(self.root, described)
        operation = registry.find(name)
        descriptor = os.open(directory / job.EVENTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            context = Stopped(directory, described, operation, Teller(descriptor), threading.Event(), {})
            context.left = stop_after
            operation.run(context, msgspec.convert(plain, operation.parameters))
        finally:
            os.close(descriptor)
        told = [events.decode(line) for line in (directory / job.EVENTS).read_bytes().splitlines()]
        measures = {e.name: e for e in told if isinstance(e, events.Measured)}
        declared = {m.name for m in operation.measures}
        assert stop_after or set(measures) == declared, set(measures) ^ declared
        made = {
            e.name: Artefact(e.path, e.sha256, e.size, described.id, e.name) for e in told if isinstance(e, events.Made)
        }
        return measures, made, [e for e in told if isinstance(e, events.Log)]

    def path(self, artefact: Artefact) -> Path:
        return self.root / artefact.path

    def json(self, artefact: Artefact):
        return json.loads(self.path(artefact).read_bytes())

    def rows(self, artefact: Artefact):
        return [json.loads(line) for line in self.path(artefact).read_bytes().splitlines()]

    def given(self, name: str, records) -> Artefact:
        path = self.root / name
        path.write_text(json.dumps(records))
        return Artefact(name, *digest(path), "given", "dataset")


@pytest.fixture
def host(tmp_path) -> Host:
    (tmp_path / "root").mkdir()
    return Host(tmp_path / "root")
