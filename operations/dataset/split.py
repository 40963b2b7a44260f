"""``dataset.split``: training and validation rows with nothing in common, as prompt and completion."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from operations.contract import AMOUNT, Artefact, Context, Kind, Measure, Operation, Output


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is split, and by what."""

    dataset: Annotated[Artefact, Meta(description="one array of patterns")]
    shift: Annotated[Artefact | None, Meta(description="one array of patterns in wholly new wording")] = None
    validation: Annotated[int, Meta(ge=1, description="rows of validation; the rest trains", extra=AMOUNT)] = 100
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="the same seed splits the same way")] = 1
    group: Annotated[
        Literal["auto", "template", "id", "content"],
        Meta(
            description="what stays whole: the templates kept for validation; all records whose ids begin alike"
            " (<rule>-<test>); a payload alone. auto takes the first that the records allow"
        ),
    ] = "auto"
    shuffle_labels: Annotated[
        Literal["", "train", "validation"],
        Meta(description="negative control: permutes the labels of these rows; nothing can be learnt, or scored"),
    ] = ""
    rival_rows: Annotated[int, Meta(ge=1, description="training rows the n-gram rival is fitted on at most")] = 20_000
    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="the files' names begin with it")] = (
        "reality_check"
    )


def run(context: Context, parameters: Parameters) -> None:
    """Splits, writes the rows, and measures the cheap rivals on them."""
    from operations.dataset import divide

    divide.divide(context, parameters)


OPERATION = Operation(
    name="dataset.split",
    about="Split patterns into training and validation rows that share no payload",
    parameters=Parameters,
    run=run,
    measures=(
        Measure("train", Kind.COUNT, "rows of training"),
        Measure("validation", Kind.COUNT, "rows of validation"),
        Measure("overlap", Kind.COUNT, "payloads in both, by normalised content"),
        Measure("shared_groups", Kind.COUNT, "groups kept whole that are in both"),
        Measure("duplicates", Kind.COUNT, "records dropped because an equal payload came before"),
        Measure("left_out", Kind.COUNT, "records in neither, because their group would not fit whole"),
        Measure("classes", Kind.COUNT, "attack types in training"),
        Measure("train_distribution", Kind.TABLE, "rows of training by attack type"),
        Measure("validation_distribution", Kind.TABLE, "rows of validation by attack type"),
        Measure("combination", Kind.PROPORTION, "validation rows from whole templates that training has not"),
        Measure("grouped_by", Kind.TEXT, "what was kept whole"),
        Measure("prompt", Kind.TEXT, "the prompt's format"),
        Measure("labels", Kind.TEXT, "as recorded, or which rows' labels a control permuted"),
        Measure("majority", Kind.PROPORTION, "validation accuracy of training's most frequent attack type"),
        Measure("keyword", Kind.PROPORTION, "validation accuracy of the keyword rule"),
        Measure("ngrams", Kind.PROPORTION, "validation accuracy of character 1-5-grams with logistic regression"),
        Measure("ngrams_combination", Kind.PROPORTION, "the same on the templates that training has not"),
        Measure("ngrams_shift", Kind.PROPORTION, "the same on the shift set"),
        Measure("shift", Kind.COUNT, "rows of the shift set"),
    ),
    outputs=(
        Output("train", "NAME_train_N.jsonl: prompt, completion, id, attack_type and the pattern's other labels"),
        Output("validation", "NAME_val_N.jsonl: the same"),
        Output("shift", "NAME_shift_N.jsonl: the same, in wholly new wording; gates nothing"),
    ),
)
