"""Drives the training loop for a job: log, curve, checkpoints, states, and the reasons to end early."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

import mlx.core as mx
import msgspec

from operations.contract import Context, Refusal
from operations.history import NO_SPACE, is_full
from operations.lines import one_line
from operations.model import configuration as configurations
from operations.model import machine, models
from operations.model.learning import accounts, losses, states
from operations.model.learning.keeping import Kept
from operations.model.learning.training import Step, Training
from operations.model.learning.validating import Scored, Validation
from operations.model.tasks import Task

KEEP_STATES = 2
CHECKPOINT, BEST = "checkpoint", "best"


class Observer(Protocol):
    """Who hears of a run as it goes."""

    def began(self, record: states.Record) -> None:
        """Before the first step of this attempt; the record is what earlier ones left."""

    def stepped(self, step: Step) -> None:
        """After each step, before anything is written of it."""

    def validated(self, step: int, scored: Scored) -> None:
        """After each validation."""

    def ended(self) -> None:
        """After the last step of this attempt, however it ends."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be driven. Steps between rows of the log and between validations; checkpoints kept, 0 for all."""

    training: Training
    loaded: models.Loaded
    labels: Mapping[Task, tuple[str, ...]]
    made_with: Mapping[str, str]
    validation: Validation | None
    log_every: int
    eval_every: int | None
    """None where every checkpoint is validated."""
    samples: int
    """Rows a step."""
    keep: int = 0
    shares: Mapping[Task, float] | None = None
    """With them the checkpoint with the highest accuracy, tasks weighed so, is kept besides."""
    last: int = losses.ENDS
    """Steps whose mean is the final loss."""
    progress_every: int = 1
    observers: Sequence[Observer] = ()
    group: mx.distributed.Group | None = None


def made_with(context: Context, chosen: configurations.Configuration, inputs: Mapping[str, str]) -> dict[str, str]:
    """All that the course of a training depends on, by name: inputs' digests, configuration, library, threads."""
    library = machine.blas()
    found = {
        "device": machine.device(),
        "BLAS": library.name,
        "threads": f"{context.threads or 'default'}, of the BLAS {library.threads}",
        "mlx": importlib.metadata.version("mlx"),
        **inputs,
    }
    for section in ("model", "hyperparameters"):
        values = msgspec.to_builtins(getattr(chosen, section))
        found |= {f"{section}.{key}": str(value) for key, value in values.items()}
    return found


class Driver:
    """One attempt at a training run. Of several ranks the first leads: it alone writes, scores and tells."""

    def __init__(self, context: Context, work: Work) -> None:
        self.context, self.work = context, work
        self.training = work.training
        self.settings = work.training.settings
        self.record = states.Record()
        self.resumed = 0
        self.scored: Scored | None = None
        self._recent: deque[Step] = deque(maxlen=work.log_every)
        self._watch = losses.Watch()
        self._checkpoints, self._best, self._states = Kept(work.keep), Kept(1), Kept(KEEP_STATES)
        self._saved = self._validated = -1
        self._leads = work.group is None or work.group.rank() == 0

    @property
    def total(self) -> int:
        """Steps to do."""
        return self.settings.hyperparameters.max_steps

    def go(self) -> None:
        """Trains to the end, or to where it must or should end; reports either way."""
        self._resume()
        for observer in self.work.observers:
            observer.began(self.record)
        try:
            self._train()
        finally:
            for observer in self.work.observers:
                observer.ended()

    def _train(self) -> None:
        checkpointing = self.settings.checkpointing
        for step in self.training.steps(self.total):
            self._account(step)
            fault = self._watch.fault(step.step, step.loss, step.norm)
            if fault:
                self._fail(fault)
            ends = step.step == self.total
            saves = step.step % checkpointing.save_every == 0 or ends
            if saves or (self.work.eval_every and step.step % self.work.eval_every == 0):
                self._finite()
            if ends or (step.step % self.work.eval_every == 0 if self.work.eval_every else saves):
                self._validate()
            if saves:
                self._checkpoint()
            stopping = self._stopping() and not ends
            if step.step % checkpointing.resume_every == 0 or stopping:
                self._state()
            if stopping:
                self._stop()
                return
        self._validate()
        self._checkpoint()
        accounts.report(self.context, self, errors=0)

    def _stopping(self) -> bool:
        """Whether someone asked this job to end; all ranks agree on the step."""
        asked = self.context.stopping
        if self.work.group is None:
            return asked
        return bool(mx.distributed.all_sum(mx.array(int(asked)), group=self.work.group, stream=mx.cpu).item())

    def _resume(self) -> None:
        if self.context.resume:
            found = states.resume(self.context, self.training, dict(self.work.made_with))
            if found is None:
                self.context.log("no earlier attempt left a state: starting from the first step", "warning")
            else:
                self.record = found
                self.resumed = self.training.done
                self._watch.catch_up(found.losses)
                self.context.log(f"going on from step {self.resumed}")
        if self.work.keep and self._leads:
            for name, kept in ((CHECKPOINT, self._checkpoints), (BEST, self._best), (states.NAME, self._states)):
                kept.take_over(self.context, [a for a in self.context.resume if a.name == name])
        self.context.progress(self.training.done, self.total, "steps")

    def _account(self, step: Step) -> None:
        self.record.losses.append(step.loss)
        self.record.seconds += step.seconds
        self.record.tokens += step.tokens
        self._recent.append(step)
        self.context.metric("loss", step.loss, step.step)
        if step.step % self.work.progress_every == 0 or step.step == self.total:
            self.context.progress(step.step, self.total, "steps")
        for observer in self.work.observers:
            observer.stepped(step)
        if step.step % self.work.log_every == 0 or step.step == self.total:
            seconds = sum(s.seconds for s in self._recent)
            self.context.log(
                f"step {step.step}/{self.total}: loss {step.loss:.4f}, {len(self._recent) / seconds:.2f} it/s, "
                f"{sum(s.tokens for s in self._recent) / seconds:,.0f} tok/s"
            )
            self._recent.clear()

    def _finite(self) -> None:
        if not all(mx.isfinite(array).all().item() for array in self.training.weights().values()):
            self._fail(f"the weights are not finite after step {self.training.done}")

    def _validate(self) -> None:
        step = self.training.done
        if self.work.validation is None or not self._leads or self._validated == step:
            return
        self._validated = step
        try:
            self.scored = scored = self.work.validation.score(self.training)
        except ArithmeticError as error:
            self._fail(f"the validation after step {step}: {error}")
        right, n = scored.first
        self.context.metric("val_loss", scored.loss, step)
        self.context.metric("val_accuracy", right / n, step)
        self.context.log(f"validation at step {step}: loss {scored.loss:.4f}, {right} of {n} right")
        others = [f"{task} {value:.3f}" for task, value in list(scored.by_task.items())[1:]]
        if others:
            self.context.log(f"accuracy of the other tasks: {', '.join(others)}")
        for observer in self.work.observers:
            observer.validated(step, scored)
        self._keep_best(scored)

    def _checkpoint(self) -> None:
        """Writes the model as it is now, once a step."""
        step = self.training.done
        if self._saved == step or not self._leads:
            return
        path = self._save(CHECKPOINT)
        self.context.artefact(CHECKPOINT, path, step=step)
        self._saved = step
        self._checkpoints.add(step, path)
        if step not in self.record.checkpoints:
            self.record.checkpoints.append(step)
        self.context.log(f"checkpoint-{step} written")

    def _keep_best(self, scored: Scored) -> None:
        shares, step = self.work.shares, self.training.done
        if shares is None:
            return
        by_task = scored.by_task
        score = sum(shares[task] * value for task, value in by_task.items()) / sum(shares[task] for task in by_task)
        best = self.record.best
        if best is not None and (score, -scored.loss) <= (best.score, -best.loss):
            return
        path = self._save(BEST)
        self.context.artefact(BEST, path, step=step)
        # The one before is of an earlier step, or of a later one that an attempt made which ended before its state.
        self._best.alone(step, path)
        self.record.best = states.Best(step=step, score=score, loss=scored.loss)
        self.context.log(f"the best so far: step {step}, accuracy over the tasks' shares {score:.4f}")

    def _save(self, name: str) -> Path:
        """The model as it is now under that name. A disk that is full ends the run and leaves what was there whole."""
        step = self.training.done
        path = self.context.output(f"{name}-{step}")
        twin = self.context.output(f"{BEST}-{step}")
        try:
            if name == CHECKPOINT and twin.is_dir():
                _double(twin, path)
            else:
                weights = models.weights_of(self.training.model)
                models.save(path, self.work.loaded, weights, self.work.labels, self.settings.model.length)
        except (OSError, RuntimeError) as error:
            self._fail(f"{path.name} can't be written: {_why(error, path)}")
        return path

    def _state(self) -> None:
        if not self._leads:
            return
        step = self.training.done
        path = self.context.output(f"{states.NAME}-{step}")
        try:
            states.save(path, self.training, self.record, dict(self.work.made_with))
        except (OSError, RuntimeError) as error:
            self._fail(f"{path.name} can't be written: {_why(error, path)}")
        self.context.artefact(states.NAME, path, step=step)
        self._states.add(step, path)

    def _stop(self) -> None:
        if self.work.eval_every is None:
            self._validate()
        self._checkpoint()
        accounts.report(self.context, self, errors=0)
        self.context.stopped(f"asked to end; checkpoint and state written at step {self.training.done}")

    def _fail(self, fault: str) -> NoReturn:
        accounts.report(self.context, self, errors=1)
        last = self.record.checkpoints[-1] if self.record.checkpoints else None
        good = "no checkpoint was written" if last is None else f"the last good one is checkpoint-{last}"
        raise Refusal(f"{fault}; {good}")


def _double(there: Path, path: Path) -> None:
    """The same files under another name: no more room where the disk can link, and either can be deleted first."""
    with models.whole_directory(path) as new:
        for file in there.iterdir():
            try:
                (new / file.name).hardlink_to(file)
            except OSError:
                shutil.copyfile(file, new / file.name)


def _why(error: OSError | RuntimeError, path: Path) -> str:
    """MLX does not tell a full disk from another fault of writing: what is free now does."""
    if isinstance(error, OSError) and is_full(error):
        return NO_SPACE
    return f"{one_line(str(error))[:300]} ({shutil.disk_usage(path.parent).free / 1e6:,.1f} MB are free there)"
