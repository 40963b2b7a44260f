"""A small exported dataset, a teacher of four tasks, its soft labels, and a student's parameters."""

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import pytest

from operations.contract import Artefact
from operations.model import configuration, exported, making, models, prompts, tasks
from operations.model.base import Parameters as Shape
from operations.model.learning import training
from tests.operations.model.conftest import Host

TASKS = ("anomaly", "family", "evidence", "severity")
LABELS = {
    "anomaly": ("attack", "benign"),
    "family": ("amber", "cobalt", "dune"),
    "evidence": ("first", "only", "second"),
    "severity": ("critical", "low", "none"),
}
SIGNS = {
    "anomaly": ("pivot", "logon"),
    "family": ("wren", "otter", "cedar"),
    "evidence": ("before", "alone", "after"),
    "severity": ("core", "lab", "calm"),
}
"""The word that decides each label: no label needs two words, so that one layer can tell it."""
WORDS = ("north", "south", "east", "west", "red", "green", "blue")
STUDENT = {
    "layers": 1, "width": 32, "heads": 2, "hidden": 32, "steps": 150, "batch": 16, "learning_rate": 0.02,
    "beside_steps": 0, "validate_every": 50, "resume_every": 20, "validation_samples": 60, "log_every": 50,
}  # fmt: skip


def patterns(count: int, seed: int, start: int = 0) -> list[dict]:
    """Patterns in which one word decides each label; ``attack_type`` is one of two, whatever they are."""
    rng = random.Random(seed)
    found = []
    for number in range(start, start + count):
        labels = {task: rng.choice(some) for task, some in LABELS.items()}
        signs = [SIGNS[task][LABELS[task].index(label)] for task, label in labels.items()]
        words = [*signs, *rng.choices(WORDS, k=2)]
        rng.shuffle(words)
        kind = rng.choice(("benign", "xss"))
        found.append({"id": f"s{number:05d}", "payload": " ".join(words), "attack_type": kind, **labels})
    return found


def write(path: Path, some: list[dict]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in some))


@dataclass
class Lab:
    """A host with the dataset, the teacher and its soft labels on it."""

    host: Host
    dataset: Artefact
    teacher: Artefact
    soft: Artefact

    def soft_labels(self, **changed):
        given = {"teacher": self.teacher, "dataset": self.dataset, "chunk": 50, "batch": 32}
        return self.host.run("model.soft_labels", **{**given, **changed})

    def distil(self, **changed):
        given = {"teacher": self.teacher, "soft_labels": self.soft, "dataset": self.dataset, "task": "family"}
        return self.host.run("model.distil", **{**given, **STUDENT, **changed})

    def last(self):
        """What the newest job told, also where it was refused."""
        return self.host.told(self.host.root / "jobs" / f"job-{self.host.count}")


@pytest.fixture(scope="session")
def taught_root(tmp_path_factory) -> Path:
    """A root with ``dataset``, ``teacher`` and ``soft``; copied for each test."""
    root = tmp_path_factory.mktemp("taught") / "root"
    (dataset := root / "dataset").mkdir(parents=True)
    for number, (name, size) in enumerate(zip(exported.FILES, (160, 60, 700), strict=True)):
        write(dataset / name, patterns(size, number, 1_000 * number))
    making.make(root / "base", dataset / exported.TRAINING, Shape(layers=3, width=32, heads=2, vocabulary=640))
    loaded = models.load(root / "base")
    forms = {task: prompts.format_for(loaded.tokenizer, 48, task) for task in TASKS}
    examples = [
        training.Example(tuple(forms[task].prompt(one["payload"])[0]), tuple(forms[task].label(one[task])))
        for one in patterns(160, 0)
        for task in TASKS
    ]
    settings = configuration.Configuration(
        model=configuration.Model(method="full", length=48),
        hyperparameters=configuration.Hyperparameters(
            learning_rate=0.01, batch_size=24, max_steps=150, warmup_steps=10, schedule="cosine"
        ),
    )
    taught = training.Training(loaded.model, settings, training.Examples(examples, 24, 1))
    for _ in taught.steps(150):
        pass
    known: dict[tasks.Task, tuple[str, ...]] = dict(LABELS)
    models.save(root / "teacher", loaded, models.weights_of(loaded.model), known, 48)
    host = Host(root)
    told = host.run(
        "model.soft_labels", teacher=host.artefact(root / "teacher"), dataset=host.artefact(dataset), chunk=50
    )
    shutil.copytree(host.path(host.made(told, "soft_labels")[None]), root / "soft")
    shutil.rmtree(root / "jobs")
    return root


@pytest.fixture
def lab(taught_root, tmp_path) -> Lab:
    shutil.copytree(taught_root, tmp_path / "root")
    host = Host(tmp_path / "root")
    return Lab(host, *(host.artefact(host.root / name, name) for name in ("dataset", "teacher", "soft")))


@pytest.fixture(scope="session")
def student_root(taught_root, tmp_path_factory) -> Path:
    """The taught root with ``student-family``, and others' directories made of it: other weights, their own labels."""
    root = tmp_path_factory.mktemp("students") / "root"
    shutil.copytree(taught_root, root)
    host = Host(root)
    found = Lab(host, *(host.artefact(root / name, name) for name in ("dataset", "teacher", "soft")))
    made = host.path(host.made(found.distil(), "model")[None])
    for number, task in enumerate(TASKS, 1):
        shutil.copytree(made, path := root / f"student-{task}")
        if task != "family":
            weights = dict(mx.load(str(path / "model.safetensors")))
            weights["model.norm.weight"] = weights["model.norm.weight"] + number
            mx.save_safetensors(str(path / "model.safetensors"), weights)
            described = {"length": 48, "tasks": {task: LABELS[task]}}
            (path / models.LABELS).write_text(json.dumps(described))
    shutil.rmtree(root / "jobs")
    return root


@pytest.fixture
def students(student_root, tmp_path) -> Lab:
    shutil.copytree(student_root, tmp_path / "root")
    host = Host(tmp_path / "root")
    return Lab(host, *(host.artefact(host.root / name, name) for name in ("dataset", "teacher", "soft")))
