"""What a training run reports when an attempt ends, however it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import mlx.core as mx

from operations.contract import Context
from operations.model import machine, models
from operations.model.learning import losses

if TYPE_CHECKING:
    from operations.model.learning.driving import Driver


def report(context: Context, driver: Driver, errors: int) -> None:
    """Reports the measures that every training has."""
    record, settings, training = driver.record, driver.settings, driver.training
    losses.report(context, record.losses, driver.work.last)
    done = len(record.losses)
    context.measure("steps", done)
    context.measure("steps_planned", driver.total)
    context.measure("duration", record.seconds / 3_600)
    context.measure("errors", errors)
    context.measure("samples", done * driver.work.samples)
    for name, amount in (("tokens_per_second", record.tokens), ("steps_per_second", done)):
        if record.seconds:
            context.measure(name, amount / record.seconds)
        else:
            context.measure(name, None, reason="no step was taken")
    context.measure("parameters", models.count(training.model)[0])
    context.measure("trained", training.trained)
    context.measure("method", settings.model.method)
    context.measure("learning_rate", settings.hyperparameters.learning_rate)
    if driver.work.shares is not None:
        _report_best(context, driver)
    context.measure("batch", settings.hyperparameters.batch_size)
    context.measure("checkpoints", len(record.checkpoints))
    if record.checkpoints:
        context.measure("last_checkpoint", record.checkpoints[-1])
    else:
        context.measure("last_checkpoint", None, reason="no checkpoint was written")
    context.measure("weights", models.weights_digest(models.weights_of(training.model)))
    context.measure("resumed_from", driver.resumed)
    context.measure("device", machine.device())
    if machine.has_gpu():
        context.measure("gpu", mx.get_peak_memory() / 1e9)
    else:
        context.measure("gpu", None, reason=machine.NO_DEVICE)
    _report_validation(context, driver)


def _report_best(context: Context, driver: Driver) -> None:
    best, scored = driver.record.best, driver.scored
    for name in ("best_step", "best_accuracy"):
        if best is None:
            context.measure(name, None, reason="nothing was validated")
        else:
            context.measure(name, best.step if name == "best_step" else best.score)
    if scored is None:
        context.measure("val_by_task", None, reason="no validation in this attempt")
    else:
        context.measure("val_by_task", {str(task): value for task, value in scored.by_task.items()})


def _report_validation(context: Context, driver: Driver) -> None:
    scored = driver.scored
    if scored is None:
        reason = "no validation in this attempt" if driver.work.validation else "no validation rows were given"
        context.measure("val_loss", None, reason=reason)
        context.measure("val_accuracy", None, reason=reason)
        return
    count, n = scored.first
    context.measure("val_loss", scored.loss)
    context.measure("val_accuracy", count / n, n=n, count=count)
