"""Drives the training loop for a student: soft labels in, one small model out, and the reasons to end early."""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import mlx.core as mx

from operations.contract import Context, Refusal
from operations.model import configuration as configurations
from operations.model import exported, machine, models, prompts
from operations.model.distillation import soft_loss, soft_store, students
from operations.model.distillation.answering import Answers, Samples
from operations.model.learning import driving, losses, states
from operations.model.learning.training import Step, Training

if TYPE_CHECKING:
    from operations.model.distil import Parameters

KEEP_STATES = 2
PATIENCE = 3
"""So many validations in a row with one answer for everything are a collapse; at the end one is. Those of the first
tenth of the steps, and while the learning rate rises, don't count: no student knows more by then."""


def settings(parameters: Parameters, length: int) -> configurations.Configuration:
    """A student's training as the loop takes it."""
    return configurations.Configuration(
        model=configurations.Model(method="full", length=length),
        hyperparameters=configurations.Hyperparameters(
            learning_rate=parameters.learning_rate,
            batch_size=parameters.batch,
            max_steps=parameters.steps * parameters.times_steps,
            warmup_steps=parameters.warmup,
            schedule=parameters.schedule,
            weight_decay=parameters.weight_decay,
            seed=parameters.seed,
        ),
    )


class Course:
    """A student, its loss and its place in the stream of samples; the same for the student and for the one beside."""

    def __init__(self, run: Run, share: float) -> None:
        given = run.parameters
        self.student = students.make(run.teacher, given)
        source = soft_loss.Soft(
            run.store,
            run.known,
            run.taught,
            run.form,
            size=given.batch,
            seed=given.seed,
            temperature=given.temperature,
            shuffled=given.control == "shuffled",
        )
        self.training = Training(self.student.model, run.settings, source, soft_loss.mixed(share, given.temperature))


class Run:
    """One attempt at a student."""

    def __init__(self, context: Context, parameters: Parameters) -> None:
        self.context, self.parameters = context, parameters
        self.store = soft_store.Store(context.input(parameters.soft_labels))
        self._same_inputs()
        self.taught = self.store.task(parameters.task)
        self.known = self.store.index.tasks[parameters.task]
        self.settings = settings(parameters, self.store.index.length)
        self.path = context.input(parameters.teacher)
        self.teacher = models.load(self.path)
        self.form = prompts.format_for(self.teacher.tokenizer, self.store.index.length, parameters.task)
        if [tuple(self.form.label(label)) for label in self.known.labels] != list(self.known.answers):
            raise Refusal("the soft labels were made with another tokenizer than this teacher's")
        self.samples = Samples(
            exported.file(context.input(parameters.dataset), exported.VALIDATION),
            parameters.task,
            parameters.validation_samples,
            self.form,
            self.known.labels,
        )
        self.share = 0.0 if parameters.control == "hard" else parameters.share
        self.course = Course(self, self.share)
        self.training, self.student = self.course.training, self.course.student
        self.made_with = self._made_with()
        self.record = states.Record()
        self.watch = losses.Watch()
        self.recent: deque[Step] = deque(maxlen=parameters.log_every)
        self.states: list[Path] = []
        self.resumed = 0
        self.same_answer = 0
        self.scored: Answers | None = None
        self.scored_at = -1
        self.at_beside: Answers | None = None

    @property
    def total(self) -> int:
        """Steps to do."""
        return self.settings.hyperparameters.max_steps

    @property
    def beside(self) -> int:
        """Steps of the student of the hard labels alone."""
        if self.parameters.control:
            return 0
        return min(self.total, self.parameters.beside_steps * self.parameters.times_steps)

    @property
    def called(self) -> str:
        """The student by name, for messages."""
        return f"{self.parameters.called} ({self.parameters.task})"

    def go(self) -> None:
        """Trains to the end, or to where it must or should end; reports either way."""
        self._resume()
        for step in self.training.steps(self.total):
            self._account(step)
            if fault := self.watch.fault(step.step, step.loss, step.norm):
                self._fail(fault)
            every = self.parameters.validate_every
            if step.step % every == 0 or step.step in (self.total, self.beside):
                self._validate(step.step)
            stopping = self.context.stopping and step.step < self.total
            if step.step % self.parameters.resume_every == 0 or stopping or step.step == self.total:
                self._state()
            if stopping:
                self._report(errors=0)
                self.context.stopped(f"asked to end; state written at step {step.step}")
                return
        if self.scored_at != self.training.done:
            self._validate(self.training.done)
        self._must_have_learnt()
        hard_only = self._beside()
        if self.beside and hard_only is None:
            self._report(errors=0)
            self.context.stopped("asked to end while the student of the hard labels alone was trained")
            return
        self._save()
        self._report(errors=0, hard_only=hard_only)

    def _same_inputs(self) -> None:
        index = self.store.index
        for what, then, now in (
            ("teacher", index.teacher, self.parameters.teacher.sha256),
            ("dataset", index.dataset, self.parameters.dataset.sha256),
        ):
            if then != now:
                raise Refusal(
                    f"the {what} has changed under its soft labels: they are of SHA-256 {then}, given is {now}; "
                    "make the soft labels anew"
                )

    def _made_with(self) -> dict[str, str]:
        given = self.parameters
        inputs = {
            "teacher": given.teacher.sha256,
            "soft labels": given.soft_labels.sha256,
            "task": given.task,
            "temperature": str(given.temperature),
            "share": str(self.share),
            "control": given.control or "none",
        }
        shape = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        inputs |= {key: str(self.student.config[key]) for key in shape}
        return driving.made_with(self.context, self.settings, inputs)

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
        self.context.log(
            f"{self.called}: {self.student.rest:,} weights without embeddings, "
            f"{self.student.share:.1%} of the teacher's"
        )
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
                f"step {step.step}/{self.total}: loss {step.loss:.4f}, {len(self.recent) / seconds:.2f} it/s"
            )
            self.recent.clear()

    def _validate(self, step: int) -> None:
        scored = self._score(self.student.model)
        self.scored, self.scored_at = scored, step
        if step == self.beside:
            self.at_beside = scored
        self.context.metric("val_accuracy", scored.accuracy, step)
        self.context.log(f"validation at step {step}: {scored.right} of {scored.total} right")
        early = step <= max(self.parameters.warmup, self.total // 10)
        self.same_answer = self.same_answer + 1 if scored.one_answer and not early else 0
        if self.same_answer >= PATIENCE:
            self._collapse(f"it said {scored.one_answer!r} to everything at {PATIENCE} validations in a row")

    def _score(self, model: Any) -> Answers:
        try:
            return self.samples.score(model)
        except ArithmeticError as error:
            self._fail(str(error))

    def _must_have_learnt(self) -> None:
        assert self.scored is not None
        if self.scored.one_answer:
            self._collapse(f"it says {self.scored.one_answer!r} to all {self.scored.total} validation samples")
        medians = losses.fifths(self.record.losses)
        if medians is not None and not medians[1] < medians[0]:
            self._collapse(
                f"its loss does not fall: the median of the first fifth is {medians[0]:.4f}, "
                f"that of the last {medians[1]:.4f}"
            )

    def _beside(self) -> Answers | None:
        """The student of the hard labels alone after its steps; None if there is none, or the job is to end."""
        if not self.beside:
            return None
        course = Course(self, 0.0)
        self.context.log(f"beside it, {self.beside} steps of the hard labels alone, from the same first weights")
        for step in course.training.steps(self.beside):
            self.context.metric("hard_only_loss", step.loss, step.step)
            if self.context.stopping and step.step < self.beside:
                return None
        return self._score(course.student.model)

    def _save(self) -> None:
        path = self.context.output("model")
        students.save(path, self.student, self.path, self.parameters.task, self.known.labels, self.store.index.length)
        self.context.artefact("model", path)

    def _state(self) -> None:
        path = self.context.output(f"state-{self.training.done}")
        states.save(path, self.training, self.record, self.made_with)
        self.context.artefact(states.NAME, path, step=self.training.done)
        self.states.append(path)
        while len(self.states) > KEEP_STATES:
            shutil.rmtree(self.states.pop(0))

    def _fail(self, fault: str) -> NoReturn:
        self._report(errors=1)
        raise Refusal(f"{self.called}: {fault}")

    def _collapse(self, fault: str) -> NoReturn:
        self._report(errors=1, collapsed=True)
        raise Refusal(f"{self.called} has collapsed: {fault}")

    def _report(self, errors: int, *, collapsed: bool = False, hard_only: Answers | None = None) -> None:
        context, record, given = self.context, self.record, self.parameters
        losses.report(context, record.losses)
        context.measure("collapsed", collapsed)
        context.measure("weights", models.weights_digest(models.weights_of(self.student.model)))
        context.measure("teacher", given.teacher.sha256)
        context.measure("parameters", self.student.total)
        context.measure("non_embedding", self.student.rest)
        context.measure("share_of_teacher", 100 * self.student.share)
        context.measure("control", given.control or "no control")
        context.measure("steps", len(record.losses))
        context.measure("steps_planned", self.total)
        context.measure("samples", self.store.index.rows)
        if record.seconds:
            context.measure("tokens_per_second", record.tokens / record.seconds)
        else:
            context.measure("tokens_per_second", None, reason="no step was taken")
        context.measure("duration", record.seconds)
        context.measure("memory", mx.get_peak_memory() / 1e9 if machine.has_gpu() else machine.resident())
        context.measure("resumed_from", self.resumed)
        context.measure("device", machine.device())
        context.measure("errors", errors)
        _share(context, "accuracy", self.scored, "no validation in this attempt")
        if self.scored is None:
            context.measure("macro_accuracy", None, reason="no validation in this attempt")
        else:
            context.measure("macro_accuracy", self.scored.macro)
        self._report_beside(hard_only)

    def _report_beside(self, hard_only: Answers | None) -> None:
        none = "a control has none beside it" if self.parameters.control else "none was asked for: beside_steps is 0"
        why = "the run ended before it" if self.beside else none
        _share(self.context, "hard_only_accuracy", hard_only, why)
        if hard_only is None:
            self.context.measure("hard_only_steps", None, reason=why)
        else:
            self.context.measure("hard_only_steps", self.beside)
        passed = "this attempt went on from a later step" if self.beside and self.resumed >= self.beside else why
        _share(self.context, "beside_accuracy", self.at_beside, passed)


def _share(context: Context, name: str, scored: Answers | None, reason: str) -> None:
    if scored is None:
        context.measure(name, None, reason=reason)
    else:
        context.measure(name, scored.accuracy, n=scored.total, count=scored.right)


def distil(context: Context, parameters: Parameters) -> None:
    """Trains the student, or goes on where a stopped attempt ended."""
    Run(context, parameters).go()
