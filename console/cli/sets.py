"""``--set`` on the command line."""

from __future__ import annotations

from console.conductor.errors import Unusable


def task_sets(given: list[str]) -> dict[str, dict[str, object]]:
    """``TASK.name=value`` words by task. Raises Unusable."""
    sets: dict[str, dict[str, object]] = {}
    for text in given:
        name, value = pair(text)
        task, dot, parameter = name.rpartition(".")
        if not dot:
            raise Unusable(f"--set {text}: write TASK.name=value")
        sets.setdefault(task, {})[parameter] = value
    return sets


def pair(text: str) -> tuple[str, object]:
    """One ``name=value``. Raises Unusable."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Unusable(f"--set {text}: write name=value")
    return name, value
