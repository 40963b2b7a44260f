"""Which of the directories that a run writes again and again are kept: the last few by step, older ones deleted."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from operations.contract import Artefact, Context, Refusal

_NUMBERED = re.compile(r"-(\d+)$")


class Kept:
    """The directories ``NAME-STEP`` of a run, by step; ``limit`` of them, or all where it is 0."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._by_step: dict[int, Path] = {}

    def take_over(self, context: Context, behind: Iterable[Artefact]) -> None:
        """Counts in what earlier attempts left on this host."""
        for artefact in behind:
            try:
                path = context.inside(artefact.path)
            except Refusal:
                continue
            if (found := _NUMBERED.search(path.name)) and path.is_dir():
                self._by_step[int(found[1])] = path

    def add(self, step: int, path: Path) -> None:
        """Counts a directory in that was just written; what is then too much is deleted, the oldest first.

        One of an earlier attempt at the same step is deleted for it.
        """
        before = self._by_step.pop(step, None)
        if before is not None and before != path:
            shutil.rmtree(before, ignore_errors=True)
        self._by_step[step] = path
        while self._limit and len(self._by_step) > self._limit:
            shutil.rmtree(self._by_step.pop(min(self._by_step)), ignore_errors=True)

    def alone(self, step: int, path: Path) -> None:
        """Counts a directory in that was just written, and deletes every other."""
        for other in self._by_step.values():
            if other != path:
                shutil.rmtree(other, ignore_errors=True)
        self._by_step = {step: path}
