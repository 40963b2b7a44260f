"""``model.finalise``: the checkpoint that the evidence is best for becomes the model that has a name."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import Artefact, Context, Kind, Measure, Observed, Operation, Output

_TEXT = Meta(min_length=1, max_length=200)


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The candidates, what is known of them, and what only a plan can say."""

    best: Annotated[Artefact, Meta(description="the checkpoint that was best on validation")]
    results: Annotated[Artefact, Meta(description="what model.evaluate wrote of a candidate, on the test split")]
    training: Annotated[Observed, Meta(description="the training's jobs")]
    dataset: Annotated[Artefact, Meta(description="the exported data set that was trained and evaluated on")]
    checkpoint: Annotated[Artefact | None, Meta(description="the training's last checkpoint, another candidate")] = None
    other_results: Annotated[Artefact | None, Meta(description="results of the other candidate")] = None
    model_name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$", description="the model's name")] = (
        "GLADIATOR-SEC-8B-EXPERT"
    )
    version: Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+)*$", description="its version")] = "1.0"
    base_model: Annotated[str, _TEXT, Meta(description="the base model's name")] = "Foundation-Sec-8B"
    created_by: Annotated[str, _TEXT, Meta(description="who made it")] = "Arthur"
    purpose: Annotated[str, _TEXT, Meta(description="what it is for")] = "Teacher model for knowledge distillation"


def run(context: Context, parameters: Parameters) -> None:
    """Chooses, copies, describes, and asks the copy in a fresh process what the evaluation asked."""
    from operations.model.evaluation import finalising

    finalising.finalise(context, parameters)


OPERATION = Operation(
    name="model.finalise",
    about="Make the finished model of the checkpoint with the best evidence, with metadata from measured values",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("checkpoint", Kind.TEXT, "the checkpoint chosen, and why"),
        Measure("step", Kind.COUNT, "the step after which it was written"),
        Measure("candidates", Kind.COUNT, "checkpoints that were weighed"),
        Measure("test_accuracy", Kind.PROPORTION, "its accuracy on the test split, as evaluated"),
        Measure("keys", Kind.COUNT, "the plan's keys in metadata.json that have a value"),
        Measure(
            "same",
            Kind.FLAG,
            "in a fresh process it gives each row that the evaluation kept the same label, its probability within 1e-3,"
            " and all labels' log-probabilities within 1e-3 of the checkpoint's",
        ),
        Measure("compared", Kind.COUNT, "rows compared for it"),
        Measure("difference", Kind.NUMBER, "largest difference of a label's log-probability", "nats"),
        Measure("size", Kind.COUNT, "bytes of the model's files", "bytes"),
    ),
    outputs=(
        Output("model", "NAME-vVERSION: a model that mlx_lm loads, labels.json, metadata.json", directory=True),
        Output("metadata", "metadata.json: the plan's 12 keys, and where each comes from"),
    ),
    uses="accelerator",
)
