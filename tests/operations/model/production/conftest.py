"""Patterns that a word a label decides, and four tiny specialists that have learnt them."""

import json
import random
import shutil
import sys
from pathlib import Path

import pytest

from operations.contract import Artefact
from operations.model import configuration, models, prompts
from operations.model.learning import training
from operations.model.production.pipeline import SPECIALISTS

TYPES = ("benign", "flooding", "ransomware", "xss")
STEPS = {"benign": "backup", "flooding": "synflood", "ransomware": "cryptor", "xss": "scripttag"}
FAMILIES = {"amber": "wren", "basalt": "pike", "cobalt": "otter"}
SEVERITIES = {"low": "lab", "high": "core"}
PLACES = ("first", "second")
LENGTH = 40
STEPS_TAKEN = 100


def patterns(count: int, seed: int) -> list[dict]:
    """Patterns as an export has them, every payload another."""
    rng, found = random.Random(seed), {}
    while len(found) < count:
        kind = TYPES[len(found) % len(TYPES)]
        family, severity = rng.choice(sorted(FAMILIES)), rng.choice(sorted(SEVERITIES))
        user = rng.choice(("mara", "timo", "auditor"))
        evidence = rng.choice(PLACES)
        step, other = STEPS[kind], "noise"
        told = f"{step} then {other}" if evidence == "first" else f"{other} then {step}"
        payload = f"{seed}{rng.randrange(10_000)} {SEVERITIES[severity]} {user} {FAMILIES[family]} {told}"
        wanted = kind == "benign" or user == "auditor"
        found[payload] = {
            "id": f"p{seed}-{len(found)}",
            "attack_type": kind,
            "payload": payload,
            "anomaly": "benign" if wanted else "attack",
            "family": family,
            "evidence": evidence,
            "severity": "none" if wanted else severity,
        }
    return list(found.values())


class Rule:
    """Stands in for a specialist: the label of the first of its words in a text, and inputs of so many words."""

    def __init__(self, words: dict[str, str], otherwise: str, room: int = 12) -> None:
        self.words, self.otherwise, self.room = words, otherwise, room
        self.asked: list[str] = []

    def pieces(self, text: str) -> list[str]:
        words = text.split()
        if len(words) <= self.room:
            return [text]
        step = self.room // 2
        return [" ".join(words[at : at + self.room]) for at in range(0, len(words) - self.room + step, step)]

    def answer(self, texts) -> list[str]:
        self.asked += texts
        cut = [" ".join(text.split()[: self.room]) for text in texts]
        return [next((label for word, label in self.words.items() if word in text), self.otherwise) for text in cut]


def rules(**more) -> dict:
    """Four rules that are right about `patterns`."""
    attacks = {"auditor": "benign", **{step: "attack" for kind, step in STEPS.items() if kind != "benign"}}
    wanted = {"auditor": "none", "backup": "none", "lab": "low", "core": "high"}
    return {
        "anomaly": Rule(attacks, "benign", **more),
        "family": Rule({tool: family for family, tool in FAMILIES.items()}, "amber", **more),
        "evidence": Rule({"noise then": "second"}, "first", **more),
        "severity": Rule(wanted, "none", **more),
    }


def write(path: Path, some: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(one) + "\n" for one in some))
    return path


@pytest.fixture(scope="session")
def specialists_root(made, tmp_path_factory) -> Path:
    """A root with four specialists: one model that has learnt all four tasks, saved four times for one each."""
    from operations.model.base import Parameters
    from operations.model.making import make

    root = tmp_path_factory.mktemp("specialists")
    some = patterns(600, 1)
    write(root / "all.jsonl", some)
    make(root / "base", root / "all.jsonl", Parameters(layers=2, width=32, heads=2, vocabulary=640))
    base = models.load(root / "base")
    examples = [
        training.Example(tuple(form.prompt(one["payload"])[0]), tuple(form.label(one[task])))
        for task, form in ((t, prompts.format_for(base.tokenizer, LENGTH, t)) for t in SPECIALISTS.values())
        for one in some
    ]
    settings = configuration.Configuration(
        model=configuration.Model(method="full", length=LENGTH),
        hyperparameters=configuration.Hyperparameters(
            learning_rate=0.01, batch_size=32, schedule="cosine", max_steps=STEPS_TAKEN, warmup_steps=10
        ),
    )
    run = training.Training(base.model, settings, training.Examples(examples, 32, 1))
    losses = [step.loss for step in run.steps(STEPS_TAKEN)]
    assert losses[-1] < 0.05
    for name, task in SPECIALISTS.items():
        labels = tuple(sorted({one[task] for one in some}))
        models.save(root / name, base, models.weights_of(base.model), {task: labels}, LENGTH)
    return root


@pytest.fixture
def deployed(host, specialists_root) -> dict[str, Artefact]:
    """The four on the host, by parameter."""
    for name in SPECIALISTS:
        shutil.copytree(specialists_root / name, host.root / name)
    return {name: host.artefact(host.root / name, "model") for name in SPECIALISTS}


@pytest.fixture
def ruled(host, monkeypatch) -> dict[str, Artefact]:
    """Files in the four's places, and rules that stand in for them."""
    from operations.model.production import specialists

    (host.root / "stand-in").write_text("a rule")
    monkeypatch.setattr(specialists, "load", lambda context, given, batch: rules())
    return dict.fromkeys(SPECIALISTS, host.artefact(host.root / "stand-in", "model"))


@pytest.fixture
def given(host):
    """Writes patterns below the host's root; gives the artefact."""
    return lambda name, some: host.artefact(write(host.root / name, some))


@pytest.fixture
def tools():
    """What this module has, for tests that can't import it."""
    return sys.modules[__name__]
