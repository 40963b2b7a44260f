"""``model.report``: an evaluation and its training as Markdown and as self-contained HTML."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import Artefact, Context, Kind, Measure, Observed, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is reported, and the criteria of its recommendation."""

    results: Annotated[Artefact, Meta(description="what model.evaluate wrote")]
    training: Annotated[Observed | None, Meta(description="the training's jobs, for the curve")] = None
    baseline: Annotated[Artefact | None, Meta(description="results of the untrained model")] = None
    configuration: Annotated[Artefact | None, Meta(description="what model.configure wrote")] = None
    title: Annotated[str, Meta(min_length=1, max_length=200, description="the report's heading")] = "Reality check"
    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="the files' names begin with it")] = (
        "reality_check"
    )
    accuracy: Annotated[float, Meta(ge=0, le=1, description="accuracy at least")] = 0.9
    coherent: Annotated[float, Meta(ge=0, le=1, description="share of coherent free generations at least")] = 0.99
    errors: Annotated[int, Meta(ge=0, description="critical errors at most")] = 0
    right: Annotated[int, Meta(ge=0, le=100, description="right answers shown")] = 10
    wrong: Annotated[int, Meta(ge=0, le=1_000, description="wrong answers shown at most")] = 50


def run(context: Context, parameters: Parameters) -> None:
    """Writes both reports."""
    from operations.model.evaluation import reporting

    reporting.report(context, parameters)


OPERATION = Operation(
    name="model.report",
    about="Report an evaluation and its training, with a recommendation from the criteria",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("recommendation", Kind.TEXT, "GO or NO-GO recommended, by the criteria alone; a person decides"),
        Measure("criteria", Kind.COUNT, "criteria looked at"),
        Measure("criteria_met", Kind.COUNT, "criteria met"),
        Measure("not_met", Kind.TEXT, "the criteria not met or not measured, with their values"),
        Measure("right_shown", Kind.COUNT, "right answers shown"),
        Measure("wrong_shown", Kind.COUNT, "wrong answers shown"),
        Measure("accuracy", Kind.PROPORTION, "as evaluated"),
        Measure("gain", Kind.NUMBER, "accuracy above the untrained model's"),
        Measure("final_loss", Kind.NUMBER, "mean loss of the last ten steps"),
    ),
    outputs=(
        Output("report_md", "NAME_report.md"),
        Output("report_html", "NAME_report.html: self-contained, no script"),
    ),
)
