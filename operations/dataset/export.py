"""``dataset.export``: a pattern store as training, validation and test sets, and one more that is kept back."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec
from msgspec import Meta

from operations import blas
from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which store is exported, and into what shares."""

    source: Annotated[Artefact | None, Meta(description="a store that a job made")] = None
    store: Annotated[
        str,
        Meta(
            max_length=4_096,
            description="a store no job made: a directory on the host, absolute or below the root; goes before source",
            extra=AMOUNT,
        ),
    ] = ""
    gauntlet: Annotated[
        float, Meta(ge=0, lt=1, description="share of the distinct patterns that is kept back", extra=AMOUNT)
    ] = 0.01
    validation: Annotated[float, Meta(ge=0, lt=1, description="share of the others that validates", extra=AMOUNT)] = 0.1
    test: Annotated[
        float, Meta(ge=0, lt=1, description="share of the others that tests; the rest trains", extra=AMOUNT)
    ] = 0.1
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="the same seed splits the same way")] = 1
    processes: Annotated[
        int, Meta(ge=0, le=256, description="at work at once, 0 for one a core; the files are the same", extra=AMOUNT)
    ] = 0
    leak: Annotated[bool, Meta(description="negative control: some training patterns are in test as well")] = False
    malformed_limit: Annotated[int, Meta(ge=0, description="batches that can't be read before the job ends")] = 10
    unusable_limit: Annotated[
        float, Meta(ge=0, le=1, description="share of records without label or payload above which the job ends")
    ] = 0.05


def run(context: Context, parameters: Parameters) -> None:
    """Exports the store, or goes on where a stopped attempt ended."""
    from operations.dataset import crew

    with blas.unused():
        if parameters.processes != 1 and (os.cpu_count() or 1) > 1:
            crew.prepare()
        from operations.dataset import exporting

    exporting.export(context, parameters)


OPERATION = Operation(
    name="dataset.export",
    about="Export a pattern store: training, validation and test sets, and a gauntlet set of its own",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("batches", Kind.COUNT, "batch files", "files"),
        Measure("read", Kind.COUNT, "usable patterns in the store", "patterns"),
        Measure("patterns", Kind.COUNT, "distinct patterns, in all four sets", "patterns"),
        Measure("train", Kind.COUNT, "patterns of training", "patterns"),
        Measure("validation", Kind.COUNT, "patterns of validation", "patterns"),
        Measure("test", Kind.COUNT, "patterns of test", "patterns"),
        Measure("gauntlet", Kind.COUNT, "patterns kept back", "patterns"),
        Measure("duplicates", Kind.COUNT, "patterns dropped because an earlier one has the same normalised payload"),
        Measure("classes", Kind.COUNT, "attack types in the store"),
        Measure("malformed", Kind.COUNT, "batch files that could not be read as patterns"),
        Measure("malformed_batches", Kind.TABLE, "by what was wrong: batches"),
        Measure("unusable", Kind.COUNT, "records without a label or a payload"),
        Measure("unusable_records", Kind.TABLE, "by what was wrong: records"),
        Measure("train_md5", Kind.TEXT, "MD5 of the training set, as in checksums.txt"),
        Measure("validation_md5", Kind.TEXT, "MD5 of the validation set"),
        Measure("test_md5", Kind.TEXT, "MD5 of the test set"),
        Measure("train_digest", Kind.DIGEST, "SHA-256 of the training set, as in sha256sums.txt"),
        Measure("validation_digest", Kind.DIGEST, "SHA-256 of the validation set"),
        Measure("test_digest", Kind.DIGEST, "SHA-256 of the test set"),
        Measure("gauntlet_digest", Kind.DIGEST, "SHA-256 of the gauntlet set"),
        Measure("train_size", Kind.NUMBER, "size of the training set", "GB"),
        Measure("validation_size", Kind.NUMBER, "size of the validation set", "GB"),
        Measure("test_size", Kind.NUMBER, "size of the test set", "GB"),
        Measure("gauntlet_size", Kind.NUMBER, "size of the gauntlet set", "GB"),
        Measure("resumed", Kind.COUNT, "batches that an earlier attempt had been through", "files"),
        Measure("rate", Kind.NUMBER, "patterns read, split and written in a second; none if resumed", "patterns/s"),
        Measure("store", Kind.TEXT, "where the store is"),
        Measure("control", Kind.TEXT, "none, or what a control has leaked"),
        Measure("store_digest", Kind.DIGEST, "SHA-256 of the store's manifest, taken while reading"),
    ),
    outputs=(
        Output(
            "dataset", "training_8m, validation_1m, test_1m (.jsonl), checksums.txt, sha256sums.txt", directory=True
        ),
        Output("gauntlet", "gauntlet_100k.jsonl: kept back for the last test; no training may have it"),
        Output("log", "export.log: what the export said"),
        Output("state", "what has been done of it, to be taken up by the next attempt", "rotates", resumes=True),
    ),
    resumable=True,
)
