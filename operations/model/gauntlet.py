"""``model.gauntlet``: the four specialists as a pipeline over the reserved set."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The specialists, what they are tried on, and what that must not be a part of."""

    silent_analyzer: Annotated[Artefact, Meta(description="the specialist of anomaly")]
    threat_profiler: Annotated[Artefact, Meta(description="the specialist of family")]
    evidence_collector: Annotated[Artefact, Meta(description="the specialist of evidence")]
    alert_generator: Annotated[Artefact, Meta(description="the specialist of severity")]
    gauntlet: Annotated[Artefact, Meta(description="the reserved set: a pattern a line, with the labels of all four")]
    dataset: Annotated[
        Artefact | None, Meta(description="the directory of training, validation and test; it is looked through")
    ] = None
    samples: Annotated[int, Meta(ge=0, description="samples at most; 0 is all", extra=AMOUNT)] = 0
    batch: Annotated[int, Meta(ge=1, le=4_096, description="inputs scored at once", extra=AMOUNT)] = 64
    chunk: Annotated[int, Meta(ge=1, le=100_000, description="samples between states to resume from", extra=AMOUNT)] = (
        2_000
    )
    failures: Annotated[int, Meta(ge=0, le=10_000, description="wrong samples kept in the results at most")] = 200


def run(context: Context, parameters: Parameters) -> None:
    """Looks for samples seen before, runs the pipeline, writes the results."""
    from operations.model.production import running_gauntlet

    running_gauntlet.run(context, parameters)


OPERATION = Operation(
    name="model.gauntlet",
    about="Run the four specialists, as they will be deployed, over a reserved set that nothing has seen",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("samples", Kind.COUNT, "samples run", "samples"),
        Measure(
            "accuracy",
            Kind.PROPORTION,
            "samples on which all that is said is right: anomaly, and of an attack family, evidence, severity",
        ),
        Measure("macro_accuracy", Kind.NUMBER, "mean over the attack types of their samples' accuracy"),
        Measure("by_class", Kind.TABLE, "accuracy by attack type"),
        Measure("by_class_total", Kind.TABLE, "samples by attack type"),
        Measure("anomaly", Kind.PROPORTION, "samples that Silent-Analyzer is right on"),
        Measure("family", Kind.PROPORTION, "of what was called an attack, that Threat-Profiler is right on"),
        Measure("evidence", Kind.PROPORTION, "of what was called an attack, that Evidence-Collector is right on"),
        Measure("severity", Kind.PROPORTION, "of what was called an attack, that Alert-Generator is right on"),
        Measure("false_alarms", Kind.PROPORTION, "benign samples called an attack"),
        Measure("false_alarms_upper", Kind.NUMBER, "exact upper 95 % bound of that, one-sided (Clopper-Pearson)", "%"),
        Measure("overlooked", Kind.PROPORTION, "attacks not called one"),
        Measure("overlooked_upper", Kind.NUMBER, "exact upper 95 % bound of that, one-sided (Clopper-Pearson)", "%"),
        Measure("in_pieces", Kind.COUNT, "samples too long for one input, judged in pieces", "samples"),
        Measure("digest", Kind.DIGEST, "SHA-256 of the reserved set"),
        Measure(
            "seen",
            Kind.COUNT,
            "samples whose payload is in training, validation or test too, normalised and with literals masked",
            "samples",
        ),
        Measure("seen_exactly", Kind.COUNT, "of these, whose normalised payload is, literals and all", "samples"),
        Measure("seen_by_set", Kind.TABLE, "samples seen, by the file that has them"),
        Measure("compared", Kind.TABLE, "patterns compared with, by file"),
        Measure("rate", Kind.NUMBER, "samples a second", "1/s"),
        Measure("duration", Kind.NUMBER, "time of the pipeline, over all attempts", "s"),
        Measure("device", Kind.TEXT, "what MLX computed on, and the linear algebra library"),
    ),
    outputs=(
        Output("results", "gauntlet_results.json: all of it, and the samples that were wrong"),
        Output("state", "state-SAMPLES.json: counts so far, to go on from", "rotates", many=True, resumes=True),
    ),
    uses="accelerator",
    resumable=True,
)
