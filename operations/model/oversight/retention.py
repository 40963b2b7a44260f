"""Looks after a training's checkpoints: which should be there by its events, which are, and whether they are whole."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from operations import events, files, job
from operations.contract import Context, Refusal
from operations.model import configuration as configurations
from operations.model.oversight.attempts import BEST, CHECKPOINT, Run, run_of, wait_for_end

if TYPE_CHECKING:
    from operations.model.checkpoints import Parameters

SETTLES = 2.0
"""Seconds after which what a running training was just about to delete is gone."""
NONE_YET = "no checkpoint was written"
_KEPT = re.compile(rf"(?:{CHECKPOINT}|{BEST})-\d+")


@dataclass(frozen=True, slots=True)
class Shelf:
    """What should be there by its path on this host, and what is, as one look found it."""

    asked: Mapping[Path, events.Made]
    there: frozenset[Path]

    @property
    def missing(self) -> list[Path]:
        """Asked for and not there."""
        return sorted(self.asked.keys() - self.there)

    @property
    def left_over(self) -> list[Path]:
        """There and not asked for."""
        return sorted(self.there - self.asked.keys())


class Look:
    """One look at a training's checkpoints."""

    def __init__(self, context: Context, run: Run, asked: configurations.Checkpointing) -> None:
        self.context, self.run, self.settings = context, run, asked
        self.shelf = self._shelf()
        if (self.shelf.missing or self.shelf.left_over) and run.state == "running":
            time.sleep(SETTLES)
            self.shelf = self._shelf()
        self.issues: list[str] = []

    def _shelf(self) -> Shelf:
        self.run.look()
        made, best = self.run.checkpoints, self.run.made(BEST)
        last = sorted(made)[-self.settings.keep_last_n :]
        kept = [*(made[step] for step in last), *([best[max(best)]] if best else [])]
        there = frozenset(
            path
            for attempt in self.run.attempts
            for path in (attempt.directory / job.ARTEFACTS).glob("*")
            if path.is_dir() and _KEPT.fullmatch(path.name)
        )
        return Shelf({self.context.inside(one.path): one for one in kept}, frozenset(path.resolve() for path in there))

    def report(self) -> None:
        """Reports what is there, and whether it is as it should be."""
        context, shelf = self.context, self.shelf
        context.measure("asked", sum(one.name == CHECKPOINT for one in shelf.asked.values()))
        context.measure("count", sum(path.name.startswith(CHECKPOINT) for path in shelf.there))
        sizes = {path.name: _size(path) / 1e9 for path in sorted(shelf.there)}
        context.measure("sizes", sizes)
        context.measure("total", sum(sizes.values()))
        best = max(self.run.made(BEST), default=None)
        context.measure("best", best, reason="" if best is not None else "none was the best yet")
        wrong = self._wrong()
        for name, word, paths in (
            ("missing", "is missing", shelf.missing),
            ("left_over", "should be gone", shelf.left_over),
            ("wrong", "is not what was written", wrong),
        ):
            context.measure(name, len(paths))
            self.issues += [f"{path.name} {word}" for path in paths]
        context.measure("retained", not shelf.missing and not shelf.left_over)
        context.measure("digests", not shelf.missing and not wrong)
        self._latest({*shelf.missing, *wrong})
        status, reasons = "ISSUES" if self.issues else "ON TRACK", "; ".join(self.issues)
        context.measure("status", status)
        context.measure("reasons", reasons or "none")
        context.log(f"{status}{': ' if reasons else ''}{reasons}", "warning" if reasons else "info")

    def _wrong(self) -> list[Path]:
        """Those whose digest differs; not one that a running training has deleted meanwhile, as it should."""
        wrong = [path for path, one in self.shelf.asked.items() if path in self.shelf.there and not _whole(path, one)]
        return [path for path in wrong if path in self._shelf().asked]

    def _latest(self, unusable: Iterable[Path]) -> None:
        """The latest that was written: its step, size and age; and the latest that is whole, to be backed up."""
        context, made = self.context, self.run.checkpoints
        done = self.run.steps[-1] if self.run.steps else 0
        latest = max(made, default=None)
        for name in ("latest", "size", "age") if latest is None else ():
            context.measure(name, None, reason=NONE_YET)
        overdue = done - (latest or 0) > self.settings.save_every
        context.measure("overdue", overdue)
        if overdue:
            self.issues.append(f"the latest checkpoint is of step {latest or 0:,}, step {done:,} is done")
        if latest is None:
            return
        end = self.run.attempts[-1].finished
        context.measure("latest", latest)
        context.measure("size", made[latest].size / 1e9)
        context.measure("age", max(0.0, (end.t if end else time.time()) - made[latest].t))
        for step in sorted(made, reverse=True):
            path = context.inside(made[step].path)
            if path in self.shelf.there and path not in unusable:
                context.artefact("latest", path)
                return


def look(context: Context, parameters: Parameters) -> None:
    """Reports a training's checkpoints; of one that is followed, once it has ended."""
    if not parameters.training.jobs:
        raise Refusal("there is no job to look after")
    asked = configurations.read(context.input(parameters.configuration)).checkpointing
    directories = [context.observed(name) for name in parameters.training.jobs]
    if parameters.follow:
        wait_for_end(context, directories[-1])
    Look(context, run_of(directories), _as_trained(asked, directories[-1])).report()


def _as_trained(asked: configurations.Checkpointing, directory: Path) -> configurations.Checkpointing:
    """What was configured, with what the training's job was given besides."""
    given = job.read(directory).parameters
    return msgspec.structs.replace(
        asked,
        save_every=given.get("save_every") or asked.save_every,
        keep_last_n=given.get("keep") or asked.keep_last_n,
    )


def _whole(path: Path, one: events.Made) -> bool:
    try:
        return files.digest(path)[0] == one.sha256
    except (OSError, ValueError):
        return False


def _size(path: Path) -> int:
    try:
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    except OSError:
        return 0
