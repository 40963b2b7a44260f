"""Drives the training loop for a job: log, curve, checkpoints, states, and the reasons to end early."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import mlx.core as mx
import msgspec
import numpy as np

from operations.contract import Context, Refusal
from operations.model import configuration as configurations
from operations.model import losses, machine, models, prompts, rows, scoring, states, tasks
from operations.model.training import Example, Examples, Step, Training, mean_loss

if TYPE_CHECKING:
    from operations.model.finetune import Parameters

KEEP_STATES = 2
SCORED_AT_ONCE = 64


def settings(parameters: Parameters, given: configurations.Configuration) -> configurations.Configuration:
    """The configuration with the parameters that are set put over it."""
    sections: dict[str, dict[str, Any]] = {
        "model": {"method": parameters.method, "length": parameters.length},
        "hyperparameters": {
            "learning_rate": parameters.learning_rate,
            "batch_size": parameters.batch,
            "max_steps": parameters.steps,
            "seed": parameters.seed,
        },
        "checkpointing": {"save_every": parameters.save_every, "resume_every": parameters.resume_every},
    }
    for name, values in sections.items():
        chosen = {key: value for key, value in values.items() if value is not None}
        section = msgspec.structs.replace(getattr(given, name), **chosen)
        given = msgspec.structs.replace(given, **{name: section})
    return given


def examples(form: prompts.Format, some: Sequence[rows.Row]) -> list[Example]:
    """The rows as tokens."""
    return [Example(tuple(form.prompt(row.prompt)[0]), tuple(form.label(row.completion))) for row in some]


def made_with(context: Context, chosen: configurations.Configuration, inputs: dict[str, str]) -> dict[str, str]:
    """All that the course of a training depends on, by name: inputs' digests, configuration, library, threads."""
    library = machine.blas()
    found = {
        "device": machine.device(),
        "BLAS": library.name,
        "threads": f"{context.threads or 'default'}, of the BLAS {library.threads}",
        "mlx": importlib.metadata.version("mlx"),
        **inputs,
    }
    for section, values in msgspec.to_builtins(chosen).items():
        if section in {"model", "hyperparameters"}:
            found |= {f"{section}.{key}": str(value) for key, value in values.items()}
    return found


class Run:
    """One attempt at a training run."""

    def __init__(self, context: Context, parameters: Parameters) -> None:
        self.context, self.parameters = context, parameters
        given = configurations.Configuration()
        if parameters.configuration:
            given = configurations.read(context.input(parameters.configuration))
        self.settings = settings(parameters, given)
        self._same_inputs()
        self.loaded = models.load(context.input(parameters.model))
        train = rows.read(context.input(parameters.train))
        validation = rows.read(context.input(parameters.validation)) if parameters.validation else ()
        self.labels = rows.labels(train)
        self.form = prompts.format_for(self.loaded.tokenizer, self.settings.model.length)
        self.validation = self._bounded(validation)
        self.training = Training(self.loaded.model, self.settings, self._source(train))
        self.made_with = made_with(
            context, self.settings, {"base model": parameters.model.sha256, "training rows": parameters.train.sha256}
        )
        self.record = states.Record()
        self.recent: deque[Step] = deque(maxlen=parameters.log_every)
        self.watch = losses.Watch()
        self.states: list[Path] = []
        self.saved = -1
        self.resumed = 0
        self.val_loss: float | None = None
        self.val_right: tuple[int, int] | None = None

    @property
    def total(self) -> int:
        """Steps to do."""
        return self.settings.hyperparameters.max_steps

    def go(self) -> None:
        """Trains to the end, or to where it must or should end; reports either way."""
        self._resume()
        for step in self.training.steps(self.total):
            self._account(step)
            fault = self.watch.fault(step.step, step.loss, step.norm)
            if fault:
                self._fail(fault)
            due = step.step % self.settings.checkpointing.save_every == 0 or step.step == self.total
            if due:
                self._checkpoint()
            stopping = self.context.stopping and step.step < self.total
            if step.step % self.settings.checkpointing.resume_every == 0 or stopping:
                self._state()
            if stopping:
                self._stop()
                return
        if self.saved != self.training.done:
            self._checkpoint()
        self._report(errors=0)

    def _same_inputs(self) -> None:
        for what, planned, real in (
            ("base model", self.settings.model.sha256, self.parameters.model.sha256),
            ("training rows", self.settings.data.train_sha256, self.parameters.train.sha256),
        ):
            if planned and planned != real:
                raise Refusal(f"the configuration is for other {what}: SHA-256 {planned}, given {real}")

    def _source(self, train: Sequence[rows.Row]) -> Examples:
        hyper = self.settings.hyperparameters
        return Examples(examples(self.form, train), hyper.batch_size, hyper.seed)

    def _bounded(self, validation: tuple[rows.Row, ...]) -> tuple[rows.Row, ...]:
        """The same rows at every checkpoint of every attempt."""
        limit = self.parameters.validation_samples
        if len(validation) <= limit:
            return validation
        chosen = np.random.default_rng(self.settings.hyperparameters.seed).permutation(len(validation))[:limit]
        return tuple(validation[i] for i in sorted(chosen.tolist()))

    def _resume(self) -> None:
        if self.context.resume:
            found = states.resume(self.context, self.training, self.made_with)
            if found is None:
                self.context.log("no earlier attempt left a state: starting from the first step", "warning")
            else:
                self.record = found
                self.resumed = self.training.done
                self.watch.catch_up(found.losses)
                self.context.log(f"going on from step {self.resumed}")
        self.context.progress(self.training.done, self.total, "steps")

    def _account(self, step: Step) -> None:
        self.record.losses.append(step.loss)
        self.record.seconds += step.seconds
        self.record.tokens += step.tokens
        self.recent.append(step)
        self.context.metric("loss", step.loss, step.step)
        self.context.progress(step.step, self.total, "steps")
        if step.step % self.parameters.log_every == 0 or step.step == self.total:
            seconds = sum(s.seconds for s in self.recent)
            self.context.log(
                f"step {step.step}/{self.total}: loss {step.loss:.4f}, {len(self.recent) / seconds:.2f} it/s, "
                f"{sum(s.tokens for s in self.recent) / seconds:,.0f} tok/s"
            )
            self.recent.clear()

    def _checkpoint(self) -> None:
        step = self.training.done
        weights = models.weights_of(self.training.model)
        if not all(mx.isfinite(array).all().item() for array in weights.values()):
            self._fail(f"the weights are not finite after step {step}")
        self._validate(step)
        path = self.context.output(f"checkpoint-{step}")
        models.save(path, self.loaded, weights, {tasks.FIRST: self.labels}, self.settings.model.length)
        self.context.artefact("checkpoint", path, step=step)
        self.saved = step
        if step not in self.record.checkpoints:
            self.record.checkpoints.append(step)
        self.context.log(f"checkpoint-{step} written")

    def _validate(self, step: int) -> None:
        if not self.validation:
            return
        model = self.training.model
        self.val_loss = mean_loss(model, self.training.head, examples(self.form, self.validation), SCORED_AT_ONCE)
        scorer = scoring.Scorer(model, self.form, sorted({*self.labels, *rows.labels(self.validation)}))
        asked = [self.form.prompt(row.prompt)[0] for row in self.validation]
        right = sum(
            scorer.labels[score.label] == self.validation[score.index].completion
            for scores in scorer.score(asked, SCORED_AT_ONCE)
            for score in scores
        )
        self.val_right = (right, len(asked))
        self.context.metric("val_loss", self.val_loss, step)
        self.context.metric("val_accuracy", right / len(asked), step)
        self.context.log(f"validation at step {step}: loss {self.val_loss:.4f}, {right} of {len(asked)} right")

    def _state(self) -> None:
        path = self.context.output(f"state-{self.training.done}")
        states.save(path, self.training, self.record, self.made_with)
        self.context.artefact(states.NAME, path, step=self.training.done)
        self.states.append(path)
        while len(self.states) > KEEP_STATES:
            shutil.rmtree(self.states.pop(0))

    def _stop(self) -> None:
        if self.saved != self.training.done:
            self._checkpoint()
        self._report(errors=0)
        self.context.stopped(f"asked to end; checkpoint and state written at step {self.training.done}")

    def _fail(self, fault: str) -> NoReturn:
        self._report(errors=1)
        last = self.record.checkpoints[-1] if self.record.checkpoints else None
        good = "no checkpoint was written" if last is None else f"the last good one is checkpoint-{last}"
        raise Refusal(f"{fault}; {good}")

    def _report(self, errors: int) -> None:
        context, record = self.context, self.record
        losses.report(context, record.losses)
        done = len(record.losses)
        context.measure("steps", done)
        context.measure("steps_planned", self.total)
        context.measure("duration", record.seconds / 3_600)
        context.measure("errors", errors)
        context.measure("samples", done * self.settings.hyperparameters.batch_size)
        for name, amount in (("tokens_per_second", record.tokens), ("steps_per_second", done)):
            if record.seconds:
                context.measure(name, amount / record.seconds)
            else:
                context.measure(name, None, reason="no step was taken")
        context.measure("parameters", models.count(self.loaded.model)[0])
        context.measure("trained", self.training.trained)
        context.measure("method", self.settings.model.method)
        context.measure("learning_rate", self.settings.hyperparameters.learning_rate)
        context.measure("batch", self.settings.hyperparameters.batch_size)
        context.measure("checkpoints", len(record.checkpoints))
        if record.checkpoints:
            context.measure("last_checkpoint", record.checkpoints[-1])
        else:
            context.measure("last_checkpoint", None, reason="no checkpoint was written")
        context.measure("weights", models.weights_digest(models.weights_of(self.training.model)))
        context.measure("resumed_from", self.resumed)
        context.measure("device", machine.device())
        if machine.has_gpu():
            context.measure("gpu", mx.get_peak_memory() / 1e9)
        else:
            context.measure("gpu", None, reason=machine.NO_DEVICE)
        self._report_validation()

    def _report_validation(self) -> None:
        if self.val_right is None:
            reason = "no checkpoint in this attempt" if self.validation else "no validation rows were given"
            self.context.measure("val_loss", None, reason=reason)
            self.context.measure("val_accuracy", None, reason=reason)
            return
        count, n = self.val_right
        self.context.measure("val_loss", self.val_loss)
        self.context.measure("val_accuracy", count / n, n=n, count=count)


def finetune(context: Context, parameters: Parameters) -> None:
    """Trains, or goes on where a stopped attempt ended."""
    Run(context, parameters).go()
