"""Five tasks: their labels in rows, their questions in prompts."""

import json

import mlx_lm
import pytest

from operations.contract import Refusal
from operations.model import models, prompts, rows, tasks

PATTERN = {
    "id": "a-p1-7", "attack_type": "xss", "payload": "otto climb", "anomaly": "attack",
    "family": "dune", "evidence": "only", "severity": "low", "template": "a-p1", "set": "train", "hard": "",
}  # fmt: skip


def test_a_pattern_is_a_row_of_each_task(tmp_path):
    path = tmp_path / "patterns.jsonl"
    path.write_text(json.dumps(PATTERN) + "\n")
    for task in tasks.TASKS:
        (row,) = rows.read(path, task)
        assert (row.prompt, row.completion) == ("otto climb", PATTERN[task])
    with pytest.raises(Refusal, match="line 1 has no event"):
        rows.read(path)


def test_a_missing_label_is_named(tmp_path):
    path = tmp_path / "patterns.jsonl"
    path.write_text(json.dumps(PATTERN) + "\n" + json.dumps(PATTERN | {"severity": ""}) + "\n")
    assert len(rows.read(path, "family")) == 2
    with pytest.raises(Refusal, match="line 2 has no label: severity is empty"):
        rows.read(path, "severity")


def test_each_task_asks_in_its_own_way_and_the_event_comes_first(made):
    _, tokenizer = mlx_lm.load(str(made / "base"))
    forms = {task: prompts.format_for(tokenizer, 48, task) for task in tasks.TASKS}
    asked = {task: tuple(form.prompt("north gate")[0]) for task, form in forms.items()}
    assert len(set(asked.values())) == len(tasks.TASKS)
    assert {form.before for form in forms.values()} == {forms["attack_type"].before}
    for task, form in forms.items():
        assert tokenizer.decode(list(form.after)).startswith(tasks.question(task))


def test_a_checkpoint_tells_the_labels_of_its_tasks(made, tmp_path):
    base = models.load(made / "base")
    known = {"attack_type": ("benign", "xss"), "severity": ("low", "none")}
    models.save(tmp_path / "two", base, models.weights_of(base.model), known, 48)
    found = models.load(tmp_path / "two")
    assert (found.tasks, found.labels, found.length) == (known, ("benign", "xss"), 48)
    (tmp_path / "two" / models.LABELS).write_text('{"length": 48, "tasks": {"colour": ["red"]}}')
    with pytest.raises(Refusal, match=r"labels.json is broken: no such task: colour"):
        models.load(tmp_path / "two")
