"""An evaluation's results as measures."""

from __future__ import annotations

from collections.abc import Sequence

from operations.contract import Context
from operations.model.evaluation import results
from operations.model.evaluation.parts import Description

PAIRS = 50


def report(context: Context, found: results.Results, chunks: Sequence[Description]) -> None:
    """Reports what was found; ``chunks`` tell how long the model's answers took."""
    results.measure_share(context, "accuracy", results.Share(found.total, found.correct, found.accuracy), "")
    for name in ("total", "correct", "incorrect", "macro_accuracy", "scored_by", "errors"):
        context.measure(name, getattr(found, name))
    by_rule = "the plan's rule knows no probability"
    broken = "it is not finite" if found.errors else by_rule
    context.measure("loss", found.loss, reason="" if found.loss is not None else broken)
    context.measure("classes", len(found.labels))
    context.measure("duration", found.seconds)
    context.measure("cut", sum(chunk.cut for chunk in chunks))
    _rates(context, found, chunks)
    types = found.by_attack_type
    context.measure("by_class", {name: share.accuracy for name, share in types.items()})
    context.measure("by_class_total", {name: share.total for name, share in types.items()})
    context.measure("by_class_correct", {name: share.correct for name, share in types.items()})
    context.measure("confusion", dict(list(found.confusion.items())[:PAIRS]))
    missed = {name: share.total - share.correct for name, share in types.items() if share.correct < share.total}
    context.measure("types_missed", missed)
    context.measure("by_hard", {name: share.accuracy for name, share in found.by_hard.items()})
    for name, reason in (
        ("false_alarms", "no row is benign"),
        ("overlooked", "no row is an attack, or benign is no label of this task"),
        ("hard", "no row is marked as a hard case"),
        ("combination", "no row is marked as a new combination"),
        ("coherent", "no free generation was asked for"),
        ("generated_accuracy", "no free generation was asked for"),
        ("agreement", "no free generation was asked for"),
        ("shift", "no shift set was given"),
    ):
        results.measure_share(context, name, getattr(found, name), reason)
    _beside(context, found)
    low, high = found.interval
    context.log(f"accuracy {found.accuracy:.1%} [{low:.1%}, {high:.1%}], {found.correct} of {found.total}")


def _rates(context: Context, found: results.Results, chunks: Sequence[Description]) -> None:
    generating, said = sum(chunk.generating for chunk in chunks), sum(len(chunk.said) for chunk in chunks)
    scoring = sum(chunk.seconds for chunk in chunks) - (generating if found.method == "score" else 0.0)
    context.measure("rate", found.total / max(scoring, 1e-9))
    if said:
        context.measure("generation_rate", said / max(generating, 1e-9))
    else:
        context.measure("generation_rate", None, reason="no free generation was asked for")


def _beside(context: Context, found: results.Results) -> None:
    leaked = "" if found.leaked is not None else "no training rows were given"
    context.measure("leaked", found.leaked, reason=leaked)
    if found.leaked:
        context.log(f"{found.leaked:,} of {found.total:,} rows were seen in training", "warning")
    teacher, rival = found.teacher, found.rival
    none = "" if teacher else "no teacher was given"
    results.measure_share(context, "teacher_accuracy", _share(teacher), none)
    if teacher and not teacher.correct:
        context.measure("of_teacher", None, reason="the teacher has no row right")
    else:
        context.measure("of_teacher", 100 * found.accuracy / teacher.accuracy if teacher else None, reason=none)
    none = "" if rival else "no rival was asked for, or training has a single class"
    results.measure_share(context, "rival_accuracy", _share(rival), none)
    context.measure("rival_advantage", rival.advantage if rival else None, reason=none)
    for name, end in (("rival_low", 0), ("rival_high", 1)):
        context.measure(name, rival.interval[end] if rival else None, reason=none)
    context.measure("rival", rival.about if rival else None, reason=none)
    for name, other in (("teacher", teacher), ("rival", rival)):
        if other:
            low, high = other.interval
            context.log(
                f"{name}: {other.accuracy:.1%}; the model is {other.advantage:+.2f} points [{low:.2f}, {high:.2f}] "
                f"to it: {other.model_alone:,} rows right alone, {other.other_alone:,} wrong alone"
            )


def _share(other: results.Beside | None) -> results.Share | None:
    return results.Share(other.total, other.correct, other.accuracy) if other else None
