"""What a model is asked of an event: five tasks, each with labels of its own. None follows from another."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Task: TypeAlias = Literal["attack_type", "anomaly", "family", "evidence", "severity"]
"""A task's name is also that of the field that holds its label, in a pattern and in a row."""

TASKS: tuple[Task, ...] = get_args(Task)
FIRST: Task = "attack_type"
"""What a model is asked where no task is named; its prompt is the event alone."""
ABOUT: dict[Task, str] = {
    "attack_type": "which attack the event is, or benign",
    "anomaly": "whether the event is an attack that nobody ordered",
    "family": "who: the family of tools",
    "evidence": "where in the event the proof is",
    "severity": "how severe an alert of it is",
}


def question(task: Task) -> str:
    """What follows the event in a prompt of that task."""
    return "" if task == FIRST else f"\n{task}"
