"""A small dataset with labels of several tasks, and its tokens."""

import json
import random
import resource
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from operations.contract import Artefact

LABELS = ("benign", "flooding", "sql_injection", "xss")
SEVERITIES = ("high", "low")
WORDS = ("north", "south", "east", "west", "red", "green", "blue", "amber", "gate", "tower", "river", "stone")


def make_patterns(count: int, seed: int) -> list[dict]:
    """Events of three to nine words: one decides the attack, another its severity, whichever attack it is."""
    source = random.Random(seed)
    found = []
    for number in range(count):
        label, severity = source.choice(LABELS), source.choice(SEVERITIES)
        words = [source.choice(WORDS) for _ in range(source.randint(1, 7))]
        for sign in (f"sign{LABELS.index(label)}", f"shade{SEVERITIES.index(severity)}"):
            words.insert(source.randint(0, len(words)), sign)
        found.append(
            {
                "id": f"p{number}",
                "payload": " ".join(words),
                "attack_type": label,
                "anomaly": "benign" if label == "benign" else "attack",
                "severity": severity,
            }
        )
    return found


@dataclass
class Data:
    """Datasets on a host, and the operations on them with small amounts."""

    host: object
    base: Artefact

    def dataset(self, name: str, train: list[dict], validation: list[dict]) -> Artefact:
        directory = self.host.root / name
        directory.mkdir()
        for file, patterns in (("training_8m", train), ("validation_1m", validation)):
            text = "".join(json.dumps(pattern) + "\n" for pattern in patterns)
            (directory / f"{file}.jsonl").write_text(text)
        return self.host.artefact(directory, "dataset")

    def tokens(self, dataset: Artefact, **changed) -> Artefact:
        told = self.host.run("model.prepare", model=self.base, dataset=dataset, **{"length": 48, **changed})
        assert told.value("tried") is True
        return self.host.made(told, "tokens")[None]

    def train(self, tokens: Artefact, **changed):
        given = {
            "method": "full",
            "batch": 16,
            "learning_rate": 0.02,
            "length": 48,
            "steps": 20,
            "save_every": 5,
            "keep": 2,
            "resume_every": 4,
            "eval_every": 10,
            "validation_samples": 40,
            "log_every": 10,
            "tasks": {"attack_type": 0.6, "severity": 0.4},
            "model": self.base,
            "tokens": tokens,
        }
        return self.host.run("model.train", **{**given, **changed})


@pytest.fixture
def patterns():
    return make_patterns


@pytest.fixture
def data(host, base) -> Data:
    return Data(host, base)


@pytest.fixture
def dataset(data) -> Artefact:
    return data.dataset("dataset", make_patterns(200, 1), make_patterns(60, 2))


@pytest.fixture
def tokens(data, dataset) -> Artefact:
    return data.tokens(dataset)


@pytest.fixture
def full_at():
    """A context in which no file of this process grows beyond some bytes: what a full disk does to a write."""

    @contextmanager
    def limited(size: int):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited
