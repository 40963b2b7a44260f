"""The report of an evaluation and its training, with a recommendation that follows from the criteria alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from operations import files
from operations import report as blocks
from operations.contract import Context
from operations.model import configuration as configurations
from operations.model.evaluation import failures, results
from operations.model.learning import losses
from operations.model.oversight.attempts import Run, run_of

if TYPE_CHECKING:
    from operations.model.report import Parameters

SMOOTHING = 10
TO_BE_WRITTEN = "To be written by a person."


@dataclass(frozen=True, slots=True)
class Criterion:
    """A rule and what became of it; ``met`` is None where it was not measured."""

    name: str
    rule: str
    value: str | None
    met: bool | None


def criteria(parameters: Parameters, found: results.Results, run: Run | None) -> list[Criterion]:
    """The report's criteria: accuracy, falling loss, coherent answers, no critical error."""
    coherent = found.coherent
    made = [
        Criterion(
            "Detection accuracy",
            f"at least {parameters.accuracy:.0%}",
            blocks.proportion(found.correct, found.total),
            found.accuracy >= parameters.accuracy,
        ),
        Criterion(
            "Coherent answers",
            f"at least {parameters.coherent:.0%}",
            blocks.proportion(coherent.correct, coherent.total) if coherent else None,
            coherent.accuracy >= parameters.coherent if coherent else None,
        ),
    ]
    curve = run.losses if run else []
    medians = losses.fifths(curve)
    falls = medians is not None and medians[1] < medians[0] and all(map(math.isfinite, curve))
    errors = found.errors
    if run:
        errors += sum(not math.isfinite(loss) for loss in curve) + sum(a.errors for a in run.attempts)
        errors += sum(a.finished is not None and a.finished.outcome == "failed" for a in run.attempts)
    return [
        *made,
        Criterion(
            "The loss falls",
            "the median of the last fifth below that of the first",
            f"{medians[0]:.4f}, then {medians[1]:.4f}" if medians else None,
            falls if medians else None,
        ),
        Criterion(
            "Critical errors",
            f"at most {parameters.errors}",
            str(errors) if run else None,
            errors <= parameters.errors if run else None,
        ),
    ]


def report(context: Context, parameters: Parameters) -> None:
    """Writes both reports."""
    found = results.read(context.input(parameters.results))
    baseline = results.read(context.input(parameters.baseline)) if parameters.baseline else None
    chosen = configurations.read(context.input(parameters.configuration)) if parameters.configuration else None
    run = run_of([context.observed(name) for name in parameters.training.jobs]) if parameters.training else None
    rules = criteria(parameters, found, run)
    lacking = [rule for rule in rules if not rule.met]
    recommended = "NO-GO recommended" if lacking else "GO recommended"
    shown = _blocks(parameters, found, baseline, chosen, run, rules, recommended)
    for name, suffix, text in (
        ("report_md", "md", blocks.markdown(parameters.title, shown)),
        ("report_html", "html", blocks.html(parameters.title, shown)),
    ):
        path = context.output(f"{parameters.name}_report.{suffix}")
        files.write_atomic(path, text.encode())
        context.artefact(name, path)
    context.measure("recommendation", recommended)
    context.measure("criteria", len(rules))
    context.measure("criteria_met", len(rules) - len(lacking))
    said = "; ".join(f"{rule.name} ({rule.rule}): {rule.value or 'not measured'}" for rule in lacking)
    context.measure("not_met", said or "none")
    context.measure("right_shown", len(found.right[: parameters.right]))
    context.measure("wrong_shown", len(found.failures[: parameters.wrong]))
    context.measure("accuracy", found.accuracy, n=found.total, count=found.correct)
    gain = found.accuracy - baseline.accuracy if baseline else None
    context.measure("gain", gain, reason="" if baseline else "no results of the untrained model were given")
    final = losses.final(run.losses) if run and run.steps else None
    context.measure("final_loss", final, reason="" if final is not None else "no training steps were given")
    context.log(f"{recommended}: {len(rules) - len(lacking)} of {len(rules)} criteria met; a person decides")


def _blocks(
    parameters: Parameters,
    found: results.Results,
    baseline: results.Results | None,
    chosen: configurations.Configuration | None,
    run: Run | None,
    rules: list[Criterion],
    recommended: str,
) -> list[blocks.Block]:
    verdict = {True: "met", False: "not met", None: "not measured"}
    shown: list[blocks.Block] = [
        blocks.Heading("Summary"),
        blocks.Paragraph(f"{recommended} by the criteria below. The gate decides, and a person at it.", strong=True),
        blocks.Paragraph(
            f"{found.correct} of {found.total} unseen events were classified right: "
            f"{blocks.proportion(found.correct, found.total)}. {failures.patterns(found).capitalize()}."
        ),
        blocks.Table(
            ("Criterion", "Rule", "Measured", "Verdict"),
            tuple((rule.name, rule.rule, rule.value, verdict[rule.met]) for rule in rules),
        ),
        *_training(run, chosen),
        *_evaluation(found, baseline),
        blocks.Heading("Right answers"),
        _answers(found.right[: parameters.right], "No answer was right."),
        blocks.Heading("Wrong answers"),
        _answers(found.failures[: parameters.wrong], "No answer was wrong."),
    ]
    if found.incorrect > parameters.wrong:
        shown.append(blocks.Paragraph(f"{parameters.wrong} of {found.incorrect} wrong answers are shown."))
    for heading in ("Rationale", "Risks", "Approved by"):
        shown += [blocks.Heading(heading), blocks.Paragraph(TO_BE_WRITTEN)]
    shown += [
        blocks.Heading("Inputs"),
        blocks.Table(("Input", "SHA-256"), tuple(found.inputs.items())),
    ]
    return shown


def _training(run: Run | None, chosen: configurations.Configuration | None) -> list[blocks.Block]:
    shown: list[blocks.Block] = [blocks.Heading("Training")]
    if chosen:
        settings = chosen.hyperparameters
        shown.append(
            blocks.Table(
                ("Setting", "Value"),
                (
                    ("Method", chosen.model.method),
                    ("Learning rate", f"{settings.learning_rate:g}"),
                    ("Batch", str(settings.batch_size)),
                    ("Steps", str(settings.max_steps)),
                    ("Training rows", f"{chosen.data.rows:,}"),
                ),
            )
        )
    if not run or not run.steps:
        return [*shown, blocks.Paragraph("No training step is on record.")]
    curve, points = run.losses, tuple((float(step), run.points[step].loss) for step in run.steps)
    first, last = losses.initial(curve), losses.final(curve)
    validation = tuple((float(step), loss) for step, loss in run.values("val_loss").items())
    series = [
        blocks.Series("loss", points, "faint"),
        blocks.Series(f"mean of {SMOOTHING}", blocks.smoothed(points, SMOOTHING)),
    ]
    if validation:
        series.append(blocks.Series("validation", validation, "dots"))
    planned = f" of {run.total}" if run.total is not None else ""
    return [
        *shown,
        blocks.Table(
            ("Measure", "Value"),
            (
                ("Steps", f"{run.steps[-1]}{planned}"),
                ("Initial loss", f"{first:.4f}"),
                ("Final loss", f"{last:.4f}"),
                ("Reduction", f"{first - last:.4f}"),
                ("Time in steps", f"{run.elapsed[run.steps[-1]] / 60:.2f} min"),
                ("Attempts", str(len(run.attempts))),
                ("Checkpoints", ", ".join(map(str, sorted(run.checkpoints))) or None),
            ),
        ),
        blocks.Chart("Loss by step", "step", "loss", tuple(series)),
    ]


def _evaluation(found: results.Results, baseline: results.Results | None) -> list[blocks.Block]:
    rows: list[tuple[str | None, ...]] = [("Accuracy", blocks.proportion(found.correct, found.total))]
    if baseline:
        rows.append(("Untrained model", blocks.proportion(baseline.correct, baseline.total)))
    rows.append(("Macro accuracy", f"{found.macro_accuracy:.1%}"))
    for name, share in (
        ("False alarms on benign events", found.false_alarms),
        ("Attacks called benign", found.overlooked),
        ("Hard cases", found.hard),
        ("New combinations", found.combination),
        ("Wholly new wording (gates nothing)", found.shift),
        ("Coherent free answers", found.coherent),
        ("Free answers right", found.generated_accuracy),
    ):
        rows.append((name, blocks.proportion(share.correct, share.total) if share else None))
    rows += [("Loss", blocks.number(found.loss)), ("Scored by", found.scored_by), ("Device", found.device)]
    shown: list[blocks.Block] = [
        blocks.Heading("Evaluation"),
        blocks.Table(("Measure", "Value"), tuple(rows)),
        blocks.Heading("By attack type", 3),
        blocks.Table(
            ("Attack type", "Right"),
            tuple((name, blocks.proportion(s.correct, s.total)) for name, s in found.by_attack_type.items()),
        ),
    ]
    if kinds := failures.hardest(found):
        shown += [
            blocks.Heading("By kind of case", 3),
            blocks.Table(
                ("Kind", "Right"), tuple((n, blocks.proportion(s.correct, s.total)) for n, s in kinds.items())
            ),
        ]
    if found.confusion:
        shown += [
            blocks.Heading("Confusions", 3),
            blocks.Table(
                ("Type > answer", "Rows"),
                tuple((k, str(v)) for k, v in list(found.confusion.items())[: failures.PAIRS]),
            ),
        ]
    return shown


def _answers(answers: tuple[results.Answer, ...], none: str) -> blocks.Block:
    if not answers:
        return blocks.Paragraph(none)
    return blocks.Table(
        ("Id", "Event", "Attack type", "Answer", "Probability", "Freely"),
        tuple(
            (a.id, a.payload, a.attack_type, a.predicted, blocks.number(a.probability, 3), a.generated) for a in answers
        ),
    )
