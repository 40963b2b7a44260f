"""Divides patterns into training and validation rows, and measures the cheap rivals on them."""

from __future__ import annotations

import random
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from operations.contract import Artefact, Context, Refusal
from operations.dataset import records, rivals
from operations.dataset.draw import allot
from operations.dataset.records import Record
from operations.files import write_atomic

if TYPE_CHECKING:
    from operations.dataset.split import Parameters

PROMPT = "the payload alone; the model's own format goes around it, and the label is in the completion only"
COMBINATION = "combination"


@dataclass(frozen=True, slots=True)
class Division:
    """The two sides, and how many records are in neither because their group would not fit whole."""

    train: list[Record]
    validation: list[Record]
    left_out: int
    grouped_by: str


def divide(context: Context, parameters: Parameters) -> None:
    """Splits, writes both sides and the shift set, measures the rivals."""
    every, duplicates = unique(load(context, parameters.dataset))
    split = side(every, parameters.validation, parameters.group, parameters.seed)
    train, validation = rows(split.train), rows(split.validation)
    control(context, parameters, train, validation)
    shift = rows(load(context, parameters.shift)) if parameters.shift else []
    for name, stem, some in (("train", "train", train), ("validation", "val", validation), ("shift", "shift", shift)):
        if some:
            path = context.output(f"{parameters.name}_{stem}_{len(some)}.jsonl")
            write_atomic(path, lines(some))
            context.artefact(name, path)
    context.measure("duplicates", duplicates)
    context.measure("left_out", split.left_out)
    context.measure("grouped_by", split.grouped_by)
    context.measure("prompt", PROMPT)
    describe(context, train, validation, split.grouped_by)
    context.measure("shift", len(shift), reason="" if shift else "no shift set was given")
    compare(context, train, validation, shift, parameters.rival_rows)
    context.log(
        f"{len(train):,} rows of training, {len(validation):,} of validation, kept whole by {split.grouped_by}; "
        f"{duplicates:,} duplicates dropped, {split.left_out:,} left out"
    )


def load(context: Context, artefact: Artefact) -> list[Record]:
    """The records of a file with one array. Raises Refusal at the first that can't be used."""
    path = context.input(artefact)
    if not path.is_file():
        raise Refusal(f"{artefact.path} is no file")
    if artefact.size > records.FILE_LIMIT:
        raise Refusal(f"{artefact.path} has {artefact.size:,} bytes, at most {records.FILE_LIMIT:,} are read at once")
    raw, fault = records.array(path.read_bytes())
    if fault:
        raise Refusal(f"{path.name} is no array of patterns: {fault}")
    found = []
    for index, item in enumerate(raw):
        record = records.read(item, f"{path.name}:{index}")
        if isinstance(record, str):
            raise Refusal(f"{path.name}, record {index}: {record}")
        found.append(record)
    return found


def unique(found: Sequence[Record]) -> tuple[list[Record], int]:
    """The first record of each normalised payload, and how many others there were."""
    kept: dict[str, Record] = {}
    for record in found:
        kept.setdefault(record.key, record)
    return list(kept.values()), len(found) - len(kept)


def side(every: Sequence[Record], validation: int, group: str, seed: int) -> Division:
    """The division by ``template``, ``id``, ``content`` or ``auto``. Raises Refusal if it is impossible."""
    if validation >= len(every):
        raise Refusal(f"{len(every):,} distinct payloads leave none to train on beside {validation:,} of validation")
    how = _how(every, group)
    ranked = sorted(every, key=lambda record: records.ordered(seed, record.key))
    if how == "template":
        return _by_template(ranked, validation)
    if how == "id":
        return _by_group(ranked, validation, seed)
    chosen = {id(record) for record in _stratified(ranked, validation)}
    return Division(
        [r for r in ranked if id(r) not in chosen], [r for r in ranked if id(r) in chosen], 0, "content alone"
    )


def _how(every: Sequence[Record], group: str) -> str:
    marked = all(r.further.get("template") and r.further.get("set") for r in every)
    prefixes = {records.prefix(record.id) for record in every}
    shared = "" not in prefixes and 1 < len(prefixes) < len(every)
    if group == "auto":
        return "template" if marked else "id" if shared else "content"
    if group == "template" and not marked:
        raise Refusal("not every record names its template and who may have it; split by id or content")
    if group == "id" and not shared:
        raise Refusal("the ids do not share beginnings (<rule>-<test>); split by content")
    return group


def _stratified(ranked: Sequence[Record], total: int) -> list[Record]:
    """``total`` records, each class its share, first of the ranking."""
    if total == 0:
        return []
    counts = Counter(record.label for record in ranked)
    left = allot(dict(counts), dict(counts), total)
    chosen = []
    for record in ranked:
        if left[record.label]:
            left[record.label] -= 1
            chosen.append(record)
    return chosen


def _by_template(ranked: Sequence[Record], validation: int) -> Division:
    """Templates marked for validation go there whole; the rest of validation is each class's share of the others."""
    kept = [r for r in ranked if r.further["set"] == COMBINATION]
    free = [r for r in ranked if r.further["set"] == "train"]
    if len(free) + min(len(kept), validation) <= validation:
        raise Refusal("too few records may be trained on to have any beside validation")
    fixed = _stratified(kept, min(len(kept), validation))
    chosen = {id(record) for record in [*fixed, *_stratified(free, validation - len(fixed))]}
    train = [r for r in free if id(r) not in chosen]
    held = [r for r in ranked if id(r) in chosen]
    return Division(train, held, len(ranked) - len(train) - len(held), "template, where marked for validation")


def _by_group(ranked: Sequence[Record], validation: int, seed: int) -> Division:
    """Groups go whole to one side, those that fit the classes' shares first; what is over is left out."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in ranked:
        groups[records.prefix(record.id)].append(record)
    total = Counter(record.label for record in ranked)
    wanted = allot(dict(total), dict(total), validation)
    training = total.copy()
    held: list[Record] = []
    waiting = sorted(groups, key=lambda name: records.ordered(seed, name))

    def fits(some: list[Record], share: float) -> bool:
        counts = Counter(record.label for record in some)
        useful = sum(min(count, wanted[label]) for label, count in counts.items())
        spares = all(training[label] > count for label, count in counts.items())
        return len(held) + len(some) <= validation and useful >= share * len(some) and spares

    for share in (1.0, 0.5, 0.0):
        for name in list(waiting):
            if fits(groups[name], share):
                waiting.remove(name)
                held += groups[name]
                for record in groups[name]:
                    wanted[record.label] = max(0, wanted[record.label] - 1)
                    training[record.label] -= 1
    left_out = 0
    if len(held) < validation:
        # No group fits any more: the smallest goes in part, and the rest of it nowhere.
        name = min(waiting, key=lambda name: (len(groups[name]), name))
        waiting.remove(name)
        part = groups[name][: validation - len(held)]
        left_out = len(groups[name]) - len(part)
        held += part
    if not waiting:
        raise Refusal("the groups are too large to leave one whole for training")
    if len(held) < validation:
        raise Refusal(f"the groups leave {len(held):,} rows of validation, {validation:,} were asked for")
    train = [record for name in waiting for record in groups[name]]
    order = {id(record): at for at, record in enumerate(ranked)}
    return Division(
        sorted(train, key=lambda r: order[id(r)]), sorted(held, key=lambda r: order[id(r)]), left_out, "beginning of id"
    )


def rows(some: Iterable[Record]) -> list[dict[str, Any]]:
    """Prompt and completion, then what else is known of each record."""
    return [
        {
            **record.further,
            "prompt": record.payload,
            "completion": record.label,
            "id": record.id,
            "attack_type": record.label,
            "hard": str(record.further.get("hard", "")),
            "combination": record.further.get("set") == COMBINATION,
        }
        for record in some
    ]


def lines(some: Iterable[dict[str, Any]]) -> bytes:
    """JSON Lines, prompt and completion first."""
    import msgspec

    first = ("prompt", "completion", "id", "attack_type")
    encoder = msgspec.json.Encoder()
    return b"".join(
        encoder.encode({name: row[name] for name in first} | {k: v for k, v in row.items() if k not in first}) + b"\n"
        for row in some
    )


def control(
    context: Context, parameters: Parameters, train: list[dict[str, Any]], validation: list[dict[str, Any]]
) -> None:
    """Permutes one side's completions where a negative control asks for it, and says so."""
    which = parameters.shuffle_labels
    if not which:
        context.measure("labels", "as recorded")
        return
    some = train if which == "train" else validation
    labels = [row["completion"] for row in some]
    random.Random(f"{parameters.seed} labels").shuffle(labels)  # noqa: S311 - made by seed, keeps no secret
    for row, label in zip(some, labels, strict=True):
        row["completion"] = label
    wrong = sum(row["completion"] != row["attack_type"] for row in some)
    said = f"NEGATIVE CONTROL: the labels of {which} are permuted, {wrong:,} of {len(some):,} are wrong"
    context.measure("labels", said)
    context.log(said, "warning")


def describe(context: Context, train: list[dict[str, Any]], validation: list[dict[str, Any]], grouped_by: str) -> None:
    """Counts both sides as they were written."""
    context.measure("train", len(train))
    context.measure("validation", len(validation))
    keys = [{records.normal(row["prompt"]) for row in some} for some in (train, validation)]
    context.measure("overlap", len(keys[0] & keys[1]))
    group: Callable[[dict[str, Any]], str | None]
    if grouped_by.startswith("template"):
        group = lambda row: row["template"] if row["combination"] else None  # noqa: E731
    elif grouped_by.startswith("beginning"):
        group = lambda row: records.prefix(row["id"])  # noqa: E731
    else:
        group = lambda _: None  # noqa: E731
    held = {group(row) for row in validation} - {None}
    trained = {row.get("template") if grouped_by.startswith("template") else group(row) for row in train}
    context.measure("shared_groups", len(held & trained))
    context.measure("classes", len({row["completion"] for row in train}))
    for name, some in (("train_distribution", train), ("validation_distribution", validation)):
        context.measure(name, dict(sorted(Counter(row["completion"] for row in some).items())))
    combined = sum(row["combination"] for row in validation)
    context.measure("combination", combined / len(validation), n=len(validation), count=combined)


def compare(
    context: Context,
    train: list[dict[str, Any]],
    validation: list[dict[str, Any]],
    shift: list[dict[str, Any]],
    limit: int,
) -> None:
    """Each rival learns from the training rows, ``limit`` at most, and answers validation."""
    fitted = train[:limit]
    labels = [row["completion"] for row in fitted]
    combination = [row for row in validation if row["combination"]]
    score(context, "majority", rivals.majority(labels), validation, "")
    foreign = "the store has classes that the generator's vocabulary has not"
    score(context, "keyword", rivals.keyword(labels), validation, foreign)
    with warnings.catch_warnings():
        # It stops at the iterations it is given; the figure is what it is.
        warnings.simplefilter("ignore")
        rival = rivals.ngrams([row["prompt"] for row in fitted], labels)
    one = "training has a single class"
    score(context, "ngrams", rival, validation, one)
    score(context, "ngrams_combination", rival, combination, one if not rival else "no such rows")
    score(context, "ngrams_shift", rival, shift, one if not rival else "no shift set was given")


def score(context: Context, name: str, rival: rivals.Rival | None, some: list[dict[str, Any]], reason: str) -> None:
    """Reports a rival's accuracy, or why there is none."""
    if rival is None or not some:
        context.measure(name, None, reason=reason)
        return
    answers = rival([row["prompt"] for row in some])
    right = sum(answer == row["completion"] for answer, row in zip(answers, some, strict=True))
    context.measure(name, right / len(some), n=len(some), count=right)
