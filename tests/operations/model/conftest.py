"""A host's root, operations run on it in this process or as real jobs, and a tiny model to run them on."""

import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from operations import blas, events, job, registry
from operations.context import JobContext, Teller
from operations.contract import Artefact
from operations.files import digest
from operations.host.readings import Reading

blas.preload()

LABELS = ("benign", "flooding", "sql_injection", "xss")
WORDS = ("north", "south", "east", "west", "red", "green", "blue", "amber", "gate", "tower", "river", "stone")


@dataclass
class Told:
    """What a job said."""

    events: list[events.Event]

    @property
    def measures(self) -> dict:
        return {e.name: e for e in self.events if isinstance(e, events.Measured) and e.step is None}

    def value(self, name: str):
        return self.measures[name].value

    def series(self, name: str) -> dict:
        return {e.step: e.value for e in self.events if isinstance(e, events.Measured) and e.name == name}

    def curve(self, name: str = "loss") -> dict:
        return {e.step: e.value for e in self.events if isinstance(e, events.Metric) and e.name == name}

    @property
    def logs(self) -> list[str]:
        return [e.text for e in self.events if isinstance(e, events.Log)]

    @property
    def finished(self) -> events.Finished | None:
        return next((e for e in self.events if isinstance(e, events.Finished)), None)


@dataclass
class Host:
    """Jobs on one root: `run` in this process, `start` as a supervisor's."""

    root: Path
    count: int = field(default=0)

    def artefact(self, path: Path, name: str = "x", made_by: str = "given") -> Artefact:
        sha256, size = digest(path)
        return Artefact(path.relative_to(self.root).as_posix(), sha256, size, made_by, name)

    def rows(self, name: str, rows: list[dict]) -> Artefact:
        path = self.root / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return self.artefact(path)

    def path(self, artefact: Artefact) -> Path:
        return self.root / artefact.path

    def file(self, operation: str, parameters: dict, resume: tuple[Artefact, ...] = ()) -> job.JobFile:
        self.count += 1
        plain = {key: msgspec.to_builtins(value) for key, value in parameters.items() if value is not None}
        return job.JobFile(id=f"job-{self.count}", task="T", operation=operation, parameters=plain, resume=resume)

    def run(self, name: str, /, resume=(), stop_after: int | None = None, **parameters) -> Told:
        """Runs it here, with the worker's own context; what it raises is raised. ``stop_after`` asks at that step."""
        operation = registry.find(name)
        described = self.file(name, parameters, tuple(resume))
        directory = job.claim(self.root, described)
        descriptor = os.open(directory / job.EVENTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        asked = threading.Event()
        teller = _Asking(descriptor, asked, stop_after)
        context = JobContext(directory, described, operation, teller, asked, {})
        try:
            operation.run(context, msgspec.convert(described.parameters, operation.parameters))
            teller.tell(teller.end)
        finally:
            os.close(descriptor)
        return self.told(directory)

    def start(self, name: str, resume=(), **parameters) -> tuple[Path, subprocess.Popen]:
        directory = job.claim(self.root, self.file(name, parameters, tuple(resume)))
        command = [sys.executable, "-P", "-m", "operations", "run", str(directory)]
        return directory, subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    @staticmethod
    def wait(condition, seconds: float = 60.0) -> None:
        """Until the condition is true; fails after ``seconds``."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)

    def told(self, directory: Path) -> Told:
        lines = (directory / job.EVENTS).read_bytes().split(b"\n")[:-1]
        return Told([events.decode(line) for line in lines])

    def made(self, told: Told, name: str, job_id: str = "given") -> dict[int | None, Artefact]:
        """Artefacts of that name by step."""
        return {
            e.step: Artefact(e.path, e.sha256, e.size, job_id, e.name)
            for e in told.events
            if isinstance(e, events.Made) and e.name == name
        }


class _Asking(Teller):
    def __init__(self, descriptor: int, asked: threading.Event, step: int | None) -> None:
        super().__init__(descriptor)
        self._asked, self._step = asked, step

    def tell(self, event: events.Event) -> None:
        super().tell(event)
        if self._step is not None and isinstance(event, events.Metric) and event.step >= self._step:
            self._asked.set()


class Recorded:
    """A job's directory as its supervisor would leave it."""

    def __init__(self, host, name, fresh):
        self.host, self.name = host, name
        self.directory = host.root / "jobs" / name
        self.directory.mkdir(parents=True)
        resume = () if fresh else (Artefact("jobs/first/artefacts/state-1", "0" * 64, 1, "first", "state"),)
        described = job.JobFile(id=name, task="T", operation="model.train", resume=resume)
        (self.directory / job.JOB).write_bytes(job.encode(described))
        (self.directory / job.EVENTS).write_bytes(b"")
        (self.directory / job.LOCK).write_bytes(b"")
        self.held = (self.directory / job.LOCK).open("rb")

    def tell(self, *told):
        with (self.directory / job.EVENTS).open("ab") as stream:
            stream.writelines(events.encode(event) for event in told)

    def steps(self, numbers, start, seconds=1.0, total=100, loss=lambda step: 2 / step):
        for index, step in enumerate(numbers):
            value, nonfinite = events.finite(loss(step))
            t = start + index * seconds
            self.tell(
                events.Metric(t=t, name="loss", step=step, value=value, nonfinite=nonfinite),
                events.Progress(t=t, done=step, total=total, unit="steps"),
            )

    def reading(self, t, gpu=None, ram=8e9, disk=2e12, celsius=None):
        made = Reading(
            t=t,
            gpu_percent=gpu,
            gpu_reason="" if gpu is not None else "no GPU is read on this host",
            ram_used=int(ram),
            ram_total=16_000,
            temperature_c=celsius,
            temperature_reason="" if celsius is not None else "this host has no sensor",
            disk_free=int(disk),
            load1=0.1,
        )
        with (self.directory / job.READINGS).open("ab") as stream:
            stream.write(msgspec.json.encode(made) + b"\n")

    def log(self, text, level="info"):
        self.tell(events.Log(t=time.time(), text=text, level=level))

    def checkpoint(self, step, name="checkpoint", t=0.0):
        path = self.directory / "artefacts" / f"{name}-{step}"
        path.mkdir(parents=True)
        (path / "model.safetensors").write_bytes(f"weights {step}".encode())
        artefact = self.host.artefact(path)
        made = events.Made(t=t, name=name, path=artefact.path, size=artefact.size, sha256=artefact.sha256, step=step)
        self.tell(made)
        return path

    def alive(self):
        fcntl.flock(self.held, fcntl.LOCK_EX)

    def finish(self, outcome="done", t=None):
        self.tell(events.Finished(t=time.time() if t is None else t, outcome=outcome))


def make_rows(count: int, seed: int, *, tell: bool = True) -> list[dict]:
    """Rows whose label one word decides, or nothing if not ``tell``."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        label = LABELS[number % len(LABELS)]
        words = [rng.choice(WORDS) for _ in range(5)]
        if tell:
            words[rng.randrange(5)] = f"sign{LABELS.index(label)}"
        found.append({"id": f"r{number}", "prompt": " ".join(words), "completion": label})
    return found


def make_patterns(count: int, seed: int) -> list[dict]:
    """Exported patterns with labels of all tasks; of the first one the rows of `make_rows` tell."""
    return [
        {
            "id": f"{seed}-{number}",
            "payload": row["prompt"],
            "attack_type": row["completion"],
            "anomaly": "benign" if row["completion"] == "benign" else "attack",
            "family": ("crimson", "umber")[number % 2],
            "evidence": "body",
            "severity": ("low", "high")[number % 2],
        }
        for number, row in enumerate(make_rows(count, seed))
    ]


@pytest.fixture
def dataset(host) -> Artefact:
    """A directory as dataset.export writes it: 64, 24 and 24 patterns."""
    directory = host.root / "dataset"
    directory.mkdir()
    for name, count, seed in (("training_8m", 64, 3), ("validation_1m", 24, 4), ("test_1m", 24, 5)):
        lines = "".join(json.dumps(pattern) + "\n" for pattern in make_patterns(count, seed))
        (directory / f"{name}.jsonl").write_text(lines)
    return host.artefact(directory, "dataset")


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A root with a tiny base model, training and validation rows; copied for each test that writes."""
    host = Host(tmp_path_factory.mktemp("made"))
    train = host.rows("train.jsonl", make_rows(64, 1))
    host.rows("validation.jsonl", make_rows(24, 2))
    told = host.run("model.base", source=train, layers=1, width=16, heads=2, vocabulary=640)
    shutil.copytree(host.path(host.made(told, "model")[None]), host.root / "base")
    shutil.rmtree(host.root / "jobs")
    return host.root


@pytest.fixture
def host(made, tmp_path) -> Host:
    shutil.copytree(made, tmp_path / "root")
    return Host(tmp_path / "root")


@pytest.fixture
def record(host) -> Callable[[str], Recorded]:
    """Makes a job's directory under a name; from the second on it goes on from the one before, or is ``fresh``."""
    return lambda name, fresh=False: Recorded(host, name, fresh or not (host.root / "jobs").exists())


@pytest.fixture
def recorded(record) -> Recorded:
    return record("first")


@pytest.fixture
def base(host) -> Artefact:
    return host.artefact(host.root / "base", "model")


@pytest.fixture
def train(host) -> Artefact:
    return host.artefact(host.root / "train.jsonl", "train")


@pytest.fixture
def validation(host) -> Artefact:
    return host.artefact(host.root / "validation.jsonl", "validation")


@pytest.fixture(scope="session")
def tuned_root(made, tmp_path_factory) -> Path:
    """A root that holds ``tuned``, the base after enough steps to know its rows."""
    root = tmp_path_factory.mktemp("tuned") / "root"
    shutil.copytree(made, root)
    host = Host(root)
    told = host.run(
        "model.finetune",
        model=host.artefact(root / "base"),
        train=host.artefact(root / "train.jsonl"),
        method="full",
        steps=120,
        save_every=120,
        resume_every=120,
        batch=16,
        learning_rate=0.02,
        length=48,
    )
    shutil.copytree(host.path(host.made(told, "checkpoint")[120]), root / "tuned")
    shutil.rmtree(root / "jobs")
    return root


@pytest.fixture
def tuned(host, tuned_root) -> Artefact:
    shutil.copytree(tuned_root / "tuned", host.root / "tuned")
    return host.artefact(host.root / "tuned", "checkpoint")
