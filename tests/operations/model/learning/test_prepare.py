"""Tokens on the disk: the prompts of the loop, whatever is missing or strange in the rows."""

import json
import shutil

import mlx_lm
import numpy as np
import pytest

from operations.contract import Refusal
from operations.dataset import generate
from operations.model import prompts
from operations.model.learning import streams
from operations.model.learning import tokens as stores


@pytest.fixture
def tokenizer(host):
    return mlx_lm.load(str(host.root / "base"))[1]


def test_prompts_of_mapped_tokens_are_those_of_the_text(data, dataset, tokens, host, tokenizer, patterns):
    store = stores.Store(host.path(tokens))
    assert {task: len(labels) for task, labels in store.index.labels.items()} == {
        "attack_type": 4,
        "anomaly": 2,
        "severity": 2,
    }
    for length in (48, 16):
        asking = streams.Asking(tokenizer, length, store.index.labels)
        for set_, some in ((store.train, patterns(200, 1)), (store.validation, patterns(60, 2))):
            assert set_.rows == len(some)
            for row, pattern in enumerate(some):
                for number, task in ((0, "attack_type"), (1, "anomaly"), (4, "severity")):
                    form = prompts.format_for(tokenizer, length, task)
                    asked = asking.example(set_.event(row), task, int(set_.labels[row, number]))
                    assert list(asked.prompt) == form.prompt(pattern["payload"])[0]
                    assert list(asked.answer) == form.label(pattern[task])
    assert (store.train.labels[:, 2] == stores.NONE).all()


def test_all_five_tasks_of_generated_patterns(data, host):
    made = [json.loads(json.dumps({**pattern})) for pattern in _plain(generate.batch(1, 0, 0, 400))]
    told = host.run("model.prepare", model=data.base, dataset=data.dataset("d", made, made[:100]), length=20)
    assert told.value("labels") == {"attack_type": 10, "anomaly": 2, "family": 6, "evidence": 4, "severity": 5}
    assert (told.value("train"), told.value("validation"), told.value("tried")) == (400, 100, True)
    assert told.value("longest") > 20
    assert told.value("cut") > 0
    store = stores.Store(host.path(host.made(told, "tokens")[None]))
    assert store.train.lengths(np.arange(400)).max() == 20


def _plain(patterns):
    import msgspec

    return msgspec.to_builtins(patterns)


def test_the_control_gives_training_rows_the_labels_of_others_and_says_so(data, dataset, tokens, host):
    told = host.run("model.prepare", model=data.base, dataset=dataset, length=48, shuffle_labels=True)
    assert told.value("control").startswith("NEGATIVE CONTROL")
    mine, theirs = (stores.Store(host.path(a)) for a in (tokens, host.made(told, "tokens")[None]))
    wrong = (mine.train.labels != theirs.train.labels).any(axis=1).sum()
    assert wrong > 100
    assert sorted(map(tuple, mine.train.labels)) == sorted(map(tuple, theirs.train.labels)), (
        "rows keep their labels together"
    )
    assert (mine.validation.labels == theirs.validation.labels).all()


def test_rows_with_the_first_task_alone(data, host, patterns):
    bare = [{"payload": p["payload"], "attack_type": p["attack_type"]} for p in patterns(80, 3)]
    tokens = data.tokens(data.dataset("bare", bare, bare[:20]))
    told = data.train(tokens, steps=2, tasks=None)
    assert told.value("tasks") == {"attack_type": 1.0}
    assert list(told.value("val_by_task")) == ["attack_type"]


def test_the_same_dataset_makes_the_same_bytes(data, dataset):
    assert data.tokens(dataset).sha256 == data.tokens(dataset).sha256


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"payload": "x"}', r"training_8m.jsonl line 2 has no label: attack_type is empty"),
        ('{"attack_type": "xss"}', r"training_8m.jsonl line 2 has no event"),
        ("{broken", r"training_8m.jsonl line 2 is no row"),
        (None, r"training_8m.jsonl has no rows"),
    ],
)
def test_broken_rows_are_refused_by_file_and_line(data, host, patterns, line, said):
    dataset = data.dataset("broken", patterns(4, 1), patterns(4, 2))
    file = host.path(dataset) / "training_8m.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], line, *lines[1:]]) if line else "")
    with pytest.raises(Refusal, match=said):
        data.tokens(host.artefact(host.path(dataset), "dataset"))


def test_a_directory_that_is_no_dataset_is_refused(data, host):
    (host.root / "other").mkdir()
    with pytest.raises(Refusal, match=r"other has no training_8m.jsonl"):
        data.tokens(host.artefact(host.root / "other"))


def test_tokens_of_another_tokenizer_are_refused(data, host, tokens, train):
    told = host.run("model.base", source=train, layers=1, width=16, heads=2, vocabulary=500)
    with pytest.raises(Refusal, match="another tokenizer"):
        data.train(tokens, model=host.made(told, "model")[None])


def test_tokens_of_another_dataset_or_cut_too_short_are_refused(data, tokens, patterns):
    other = data.dataset("other", patterns(40, 5), patterns(10, 6))
    with pytest.raises(Refusal, match="tokens are of another dataset"):
        data.train(tokens, dataset=other)
    with pytest.raises(Refusal, match="cut to 48, an input of 64 is asked for"):
        data.train(tokens, length=64)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("train.ids", r"damaged/train.ids has \d+ bytes, not \d+"),
        ("validation.labels", r"damaged/validation.labels has \d+ bytes"),
        ("index.json", r"damaged/index.json is broken"),
    ],
)
def test_damaged_tokens_are_refused_by_file(data, host, tokens, file, said):
    damaged = host.root / "damaged"
    shutil.copytree(host.path(tokens), damaged)
    (damaged / file).write_bytes((damaged / file).read_bytes()[:-2])
    with pytest.raises(Refusal, match=said):
        data.train(host.artefact(damaged, "tokens"))


def test_a_file_that_is_too_large_for_the_disk_leaves_no_tokens(data, dataset, host, full_at):
    with full_at(1_000), pytest.raises(OSError, match="File too large"):
        data.tokens(dataset)
    assert not list((host.root / "jobs").glob("*/artefacts/*"))
