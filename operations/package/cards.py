"""A model's card: what it is, and every figure with the evidence that it comes from."""

from __future__ import annotations

from collections.abc import Mapping

from operations import report
from operations.contract import Standing
from operations.package import evidence
from operations.package.evidence import NOT_MEASURED, Evidence
from operations.package.specialists import PURPOSES, TASKS, Specialist
from operations.report import Block, Heading, Listing, Paragraph, Table

_PIPELINE = {
    "total": "Samples",
    "accuracy": "Accuracy",
    "false_alarms": "Benign events called an attack",
    "false_alarms_upper": "Upper 95 % bound of these, %",
}
_OURS = "Of what was made here: Apache-2.0, licences/LICENSE."
_SHAPE = ("model_type", "num_hidden_layers", "hidden_size", "vocab_size")
_LOOP = {
    "prevented": "Self-attack is prevented",
    "seeds": "Events to begin with",
    "reproduction_upper": "Upper 95 % bound of new alerts per own alert",
    "found_as_often": "Attacks dressed as own output are found as often",
}


def card(
    model: Specialist,
    results: Evidence | None,
    gauntlet: Evidence | None,
    feedback: Evidence | None,
    expert: Evidence | None,
    standing: Standing,
) -> str:
    """The card as Markdown."""
    blocks: list[Block] = [
        Paragraph(PURPOSES[model.name]),
        Paragraph(f"A GO on it reads: {standing.line}", strong=True),
        Heading("The model"),
        Table(("Property", "Value", "Source"), _properties(model, expert)),
        Heading(f"Labels of its one task, {TASKS[model.name]}"),
        Listing(model.labels),
        Heading("Evaluation"),
        *_measured(results, evidence.HEADLINES),
        Heading("The gauntlet, of all four together"),
        *_measured(gauntlet, _PIPELINE),
        Heading("Self-attack, of all four together"),
        *_measured(feedback, _LOOP),
        Heading("Use"),
        Paragraph("One event in, one label out. What no figure above stands for was not measured."),
        Heading("Licence"),
        Paragraph(_licence(model)),
    ]
    return report.markdown(model.name, blocks, "REHEARSAL" if standing.rehearsal else "")


def _properties(model: Specialist, expert: Evidence | None) -> tuple[tuple[str | None, ...], ...]:
    where = f"models/{model.name}"
    config = f"{where}/config.json"
    name = " ".join(str(expert.told[key]) for key in ("model_name", "version") if key in expert.told) if expert else ""

    def row(label: str, value: object, source: str | None) -> tuple[str, str, str | None]:
        return (label, NOT_MEASURED, None) if value is None else (label, str(value), source)

    return (
        row("learnt from", name or None, expert.source if expert else None),
        *(row(key.replace("_", " "), model.config.get(key), config) for key in _SHAPE),
        row("bits of a weight", model.bits, config),
        row("tokens of an input at most", model.length, f"{where}/labels.json"),
        row("size", f"{model.size:,} bytes", where),
        row("SHA-256 of the weights", model.weights, where),
    )


def _measured(found: Evidence | None, headlines: Mapping[str, str]) -> list[Block]:
    rows = tuple(evidence.figures(found, headlines))
    blocks: list[Block] = [Table(("Figure", "Value", "Source"), rows)]
    for name, cells in evidence.tables(found):
        blocks += [Heading(name[:1].upper() + name[1:], 3), Table(("Kind", "Value"), cells)]
    return blocks


def _licence(model: Specialist) -> str:
    if model.licences:
        stated = ", ".join(f"models/{model.name}/{file}" for file in model.licences)
        return f"{_OURS} Of the base that it was made from, as its directory states: {stated}."
    return f"{_OURS} Of a base that it was made from, its directory states none."
