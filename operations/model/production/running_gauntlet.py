"""The gauntlet's run: what was seen before, then the pipeline chunk by chunk, with counts kept to go on from."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from operations import stats
from operations.contract import Context, Refusal
from operations.dataset import seen as seeing
from operations.files import write_atomic
from operations.model import machine, rows
from operations.model.evaluation.results import Share, measure_share
from operations.model.learning import states
from operations.model.production import reserved, specialists, tally
from operations.model.production.own_output import KEY_BYTES, Marks
from operations.model.production.pipeline import SPECIALISTS, Pipeline

if TYPE_CHECKING:
    from operations.model.gauntlet import Parameters

UNKNOWN = "no data set was given to compare with"


class State(msgspec.Struct, kw_only=True):
    """``state-SAMPLES.json``. ``made_with`` must be equal to go on."""

    made_with: dict[str, str]
    total: int
    seen: seeing.Seen | None
    tally: tally.Tally
    seconds: float = 0.0


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """``gauntlet_results.json``; bounds are in percent, None where there was nothing to count."""

    total: int
    correct: int
    accuracy: float
    interval: tuple[float, float]
    macro_accuracy: float
    by_attack_type: dict[str, Share]
    by_specialist: dict[str, Share]
    false_alarms: Share | None
    false_alarms_upper: float | None
    overlooked: Share | None
    overlooked_upper: float | None
    in_pieces: int
    seen: seeing.Seen | None
    device: str
    seconds: float
    inputs: dict[str, str]
    failures: tuple[tally.Wrong, ...]


class Run:
    """One attempt at the gauntlet."""

    def __init__(self, context: Context, parameters: Parameters) -> None:
        self.context, self.parameters = context, parameters
        self.path = reserved.path(context, parameters.gauntlet)
        self.dataset = context.input(parameters.dataset) if parameters.dataset else None
        given = {name: getattr(parameters, name) for name in SPECIALISTS}
        self.inputs = {name: artefact.sha256 for name, artefact in given.items()}
        self.inputs |= {"gauntlet": parameters.gauntlet.sha256}
        self.inputs |= {"dataset": parameters.dataset.sha256} if parameters.dataset else {}
        total = sum(1 for _ in reserved.each(self.path, parameters.samples))
        if not total:
            raise Refusal(f"{self.path.name} has no samples")
        answering = specialists.load(context, given, parameters.batch)
        # Nothing here is own output: a key that nobody knows lets no sample pass for it.
        self.pipeline = Pipeline(answering, Marks(secrets.token_bytes(KEY_BYTES)))
        self.state = self._resumed() or State(
            made_with=self._made_with(), total=total, seen=None, tally=tally.Tally(kept=parameters.failures)
        )
        self.written: list[Path] = []

    def go(self) -> None:
        """Runs to the end, or to where it is asked to stop."""
        self.context.measure("digest", self.parameters.gauntlet.sha256)
        if not self._compare():
            self.context.stopped("asked to end while the data set was looked through")
            return
        for chunk in self._chunks():
            self._take(chunk)
            if self.context.stopping and self.state.tally.rows < self.state.total:
                self.context.stopped(f"asked to end after {self.state.tally.rows:,} of {self.state.total:,} samples")
                return
        self._report()

    def _made_with(self) -> dict[str, str]:
        return {**self.inputs, "samples": str(self.parameters.samples), "device": machine.device()}

    def _resumed(self) -> State | None:
        for artefact in reversed([a for a in self.context.resume if a.name == "state"]):
            try:
                path = self.context.input(artefact)
                state = msgspec.json.decode(path.read_bytes(), type=State)
            except (Refusal, OSError, msgspec.DecodeError) as error:
                self.context.log(f"{artefact.path} is not used: {error}", "warning")
                continue
            states.check(artefact, state.made_with, self._made_with())
            self.context.log(f"going on after {state.tally.rows:,} samples")
            return state
        return None

    def _compare(self) -> bool:
        """Looks for the samples in the data set, once; False if asked to end before that is done."""
        if self.dataset is not None and self.state.seen is None:

            def tell(lines: int) -> bool:
                self.context.log(f"{lines:,} patterns of the data set compared with")
                return not self.context.stopping

            self.state.seen = seeing.compare(self.path, self.dataset, tell)
        found = self.state.seen
        if found is None:
            for name in ("seen", "seen_exactly", "seen_by_set", "compared"):
                self.context.measure(name, None, reason=UNKNOWN)
            return self.dataset is None
        self.context.measure("seen", found.masked)
        self.context.measure("seen_exactly", found.exactly)
        self.context.measure("seen_by_set", found.by_set)
        self.context.measure("compared", found.lines)
        self.context.log(
            f"{found.masked:,} of {found.held:,} samples are in the data set ({found.exactly:,} to the letter)",
            "warning" if found.masked else "info",
        )
        return True

    def _chunks(self) -> Iterator[list[rows.Row]]:
        left = itertools.islice(reserved.each(self.path, self.parameters.samples), self.state.tally.rows, None)
        while chunk := list(itertools.islice(left, self.parameters.chunk)):
            yield chunk

    def _take(self, chunk: list[rows.Row]) -> None:
        state, counted, start = self.state, self.state.tally, time.perf_counter()
        for row, verdict in zip(chunk, self.pipeline.judge([row.event for row in chunk]), strict=True):
            counted.add(row, verdict)
        state.seconds += time.perf_counter() - start
        share = counted.right / counted.rows
        self.context.metric("accuracy", share, counted.rows)
        self.context.progress(counted.rows, state.total, "samples")
        self.context.log(f"{counted.rows:,} of {state.total:,} samples: {share:.2%} right")
        path = self.context.output(f"state-{counted.rows}.json")
        write_atomic(path, msgspec.json.encode(state))
        self.context.artefact("state", path, step=counted.rows)
        self.written.append(path)
        while len(self.written) > 1:
            self.written.pop(0).unlink()

    def _report(self) -> None:
        context, counted, seconds = self.context, self.state.tally, self.state.seconds
        classes, tasks = counted.shares(counted.by_class), counted.shares(counted.by_task)
        accuracy = Share(counted.rows, counted.right, counted.right / counted.rows)
        context.measure("samples", counted.rows)
        measure_share(context, "accuracy", accuracy, "")
        context.measure("macro_accuracy", counted.macro)
        context.measure("by_class", {name: share.accuracy for name, share in classes.items()})
        context.measure("by_class_total", {name: share.total for name, share in classes.items()})
        for task in reserved.LABELS:
            measure_share(context, task, tasks.get(task), "nothing was called an attack")
        bounds = {}
        for name, found, nothing in (
            ("false_alarms", counted.false_alarms, "no sample is benign"),
            ("overlooked", counted.overlooked, "no sample is an attack"),
        ):
            bounds[name] = tally.upper(found)
            measure_share(context, name, found, nothing)
            context.measure(f"{name}_upper", bounds[name], reason="" if found else nothing)
            if found:
                context.log(f"{name}: {found.correct:,} of {found.total:,}, at most {bounds[name]:.4f} % (95 %)")
        context.measure("in_pieces", counted.in_pieces)
        context.measure("rate", counted.rows / seconds)
        context.measure("duration", seconds)
        context.measure("device", machine.device())
        low, high = stats.wilson(counted.right, counted.rows)
        context.log(f"accuracy {accuracy.accuracy:.2%} [{low:.2%}, {high:.2%}], {counted.right} of {counted.rows}")
        results = Results(
            total=counted.rows,
            correct=counted.right,
            accuracy=accuracy.accuracy,
            interval=(low, high),
            macro_accuracy=counted.macro,
            by_attack_type=classes,
            by_specialist={specialists.title(name): tasks[t] for name, t in SPECIALISTS.items() if t in tasks},
            false_alarms=counted.false_alarms,
            false_alarms_upper=bounds["false_alarms"],
            overlooked=counted.overlooked,
            overlooked_upper=bounds["overlooked"],
            in_pieces=counted.in_pieces,
            seen=self.state.seen,
            device=machine.device(),
            seconds=seconds,
            inputs=self.inputs,
            failures=tuple(counted.failures),
        )
        path = context.output("gauntlet_results.json")
        write_atomic(path, msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n")
        context.artefact("results", path)


def run(context: Context, parameters: Parameters) -> None:
    """Looks for samples seen before, runs the pipeline, writes the results."""
    Run(context, parameters).go()
