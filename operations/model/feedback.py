"""``model.feedback``: the self-attack check. What the pipeline puts out comes back to it as events."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The specialists, and the events that their first alerts come from."""

    silent_analyzer: Annotated[Artefact, Meta(description="the specialist of anomaly")]
    threat_profiler: Annotated[Artefact, Meta(description="the specialist of family")]
    evidence_collector: Annotated[Artefact, Meta(description="the specialist of evidence")]
    alert_generator: Annotated[Artefact, Meta(description="the specialist of severity")]
    gauntlet: Annotated[Artefact, Meta(description="the reserved set, which the seeds are taken from")]
    seeds: Annotated[int, Meta(ge=300, le=100_000, description="events to begin with", extra=AMOUNT)] = 1_000
    rounds: Annotated[int, Meta(ge=3, le=20, description="times that own output is fed back at most", extra=AMOUNT)] = 5
    in_report: Annotated[int, Meta(ge=2, le=100, description="alerts in a report at most")] = 5
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="the same seed takes the same events")] = 1
    batch: Annotated[int, Meta(ge=1, le=4_096, description="inputs scored at once", extra=AMOUNT)] = 64
    control: Annotated[
        Literal["", "loop", "forged"],
        Meta(
            description="negative control: loop plants a specialist that alerts on its own alerts and an ingest that"
            " ignores marks; forged plants an ingest that takes any mark for genuine. Either must be found out"
        ),
    ] = ""


def run(context: Context, parameters: Parameters) -> None:
    """Feeds own output back, dresses attacks as such, says whether self-attack is prevented."""
    from operations.model.production import feeding_back

    feeding_back.run(context, parameters)


OPERATION = Operation(
    name="model.feedback",
    about="Feed the pipeline's own output back to it: it must not alert on it, nor miss an attack dressed as it",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("prevented", Kind.FLAG, "reproduction below 1, every chain ends, dressed attacks are found as often"),
        Measure("seeds", Kind.COUNT, "events to begin with", "seeds"),
        Measure("by_class", Kind.TABLE, "alerts of the first round by attack type"),
        Measure("alert_rate", Kind.PROPORTION, "seeds that raise an alert: 0 would mean that nothing is tested"),
        Measure("by_round", Kind.TABLE, "alerts by round; in round 0 the seeds', then those that own output raises"),
        Measure("fed", Kind.COUNT, "alerts and reports fed back, all rounds together"),
        Measure("reproduction", Kind.NUMBER, "new alerts per own alert that was fed back, by itself and in a report"),
        Measure("reproduction_upper", Kind.NUMBER, "exact upper 95 % bound of that, one-sided (Poisson, Garwood)"),
        Measure("longest", Kind.COUNT, "last round in which own output still raised an alert; 0 for none", "rounds"),
        Measure("chains_end", Kind.FLAG, "the second time that own output comes back it raises no alert any more"),
        Measure("undressed", Kind.PROPORTION, "genuine attacks among the seeds that raise an alert as they are"),
        Measure("bare", Kind.PROPORTION, "the same attacks dressed as an alert without a mark"),
        Measure("forged", Kind.PROPORTION, "the same attacks dressed as an alert with a made-up mark"),
        Measure("copied", Kind.PROPORTION, "the same attacks put into a genuine alert, under its mark"),
        Measure("beside", Kind.PROPORTION, "the same attacks beside a genuine alert, mark and all"),
        Measure("reported", Kind.PROPORTION, "the same attacks last in a report of benign events with a made-up mark"),
        Measure("lost", Kind.TABLE, "of the attacks found undressed, how many are not found, by dressing"),
        Measure("lost_upper", Kind.NUMBER, "largest exact upper 95 % bound of these, one-sided (Clopper-Pearson)", "%"),
        Measure("found_as_often", Kind.FLAG, "in no dressing may 2 % or more of the attacks be lost, by that bound"),
        Measure(
            "benign_dressed", Kind.PROPORTION, "of the benign seeds without an alert, those that raise one when dressed"
        ),
        Measure("stripped", Kind.NUMBER, "new alerts per own alert in one round without marks; told only"),
        Measure("control", Kind.TEXT, "none, or which negative control was planted"),
        Measure("duration", Kind.NUMBER, "time of it all", "s"),
        Measure("device", Kind.TEXT, "what MLX computed on, and the linear algebra library"),
    ),
    outputs=(Output("results", "feedback_results.json: all of it, by round and by dressing"),),
    uses="accelerator",
)
