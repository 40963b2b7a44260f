"""``model.soft_labels``: what a teacher thinks of every training sample."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output
from operations.model.tasks import Task

TASKS: tuple[Task, ...] = ("anomaly", "family", "evidence", "severity")
"""What the four specialists learn."""


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The teacher, the samples, and how much is kept of what it says."""

    teacher: Annotated[Artefact, Meta(description="the teacher's directory")]
    dataset: Annotated[Artefact, Meta(description="the exported dataset, whose training samples are labelled")]
    tasks: Annotated[tuple[Task, ...], Meta(min_length=1, description="what the teacher is asked of each sample")] = (
        TASKS
    )
    samples: Annotated[
        int, Meta(ge=0, description="training samples to label, from the first; 0 is all", extra=AMOUNT)
    ] = 0
    top: Annotated[
        int, Meta(ge=2, le=400, description="the label set's likeliest tokens whose logits are kept at a place")
    ] = 64
    batch: Annotated[int, Meta(ge=1, le=4_096, description="samples put to the teacher at once", extra=AMOUNT)] = 128
    chunk: Annotated[
        int, Meta(ge=1, le=1_000_000, description="samples of a chunk, which a stopped run keeps", extra=AMOUNT)
    ] = 4_096


def run(context: Context, parameters: Parameters) -> None:
    """Labels the samples, or goes on after the last whole chunk."""
    from operations.model.distillation import labelling

    labelling.label(context, parameters)


OPERATION = Operation(
    name="model.soft_labels",
    about="Ask a teacher how likely each label of each task is, for every training sample",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("samples", Kind.COUNT, "training samples labelled"),
        Measure("labels", Kind.COUNT, "soft labels made: one a sample and task"),
        Measure("teacher", Kind.DIGEST, "SHA-256 of the teacher's directory"),
        Measure("rate", Kind.NUMBER, "soft labels a second in this attempt, tokenising and writing included", "1/s"),
        Measure("information", Kind.TABLE, "entropy of each label and what attack_type tells of it, in bits"),
        Measure("outside", Kind.TABLE, "by task: the teacher's mean probability, at a label, of what begins none"),
        *(Measure(f"{task}_accuracy", Kind.PROPORTION, f"samples whose {task} the teacher finds") for task in TASKS),
        Measure("cut", Kind.COUNT, "samples that were longer than the teacher's length and were cut"),
        Measure("places", Kind.TABLE, "by task: places where labels part on the way to one, at most"),
        Measure("resumed", Kind.COUNT, "chunks that earlier attempts had finished"),
        Measure("size", Kind.NUMBER, "the directory's size", "MB"),
        Measure("duration", Kind.NUMBER, "time of this attempt, loading left out", "s"),
    ),
    outputs=(
        Output("soft_labels", "index.json, and arrays with a row a sample, by sample id", directory=True),
        Output("chunk", "chunk-N.npz: a part that is finished", retention="rotates", many=True, resumes=True),
    ),
    uses="accelerator",
    resumable=True,
)
