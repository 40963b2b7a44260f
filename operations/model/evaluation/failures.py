"""What wrong answers have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from operations.contract import Context
from operations.model.evaluation import results

if TYPE_CHECKING:
    from operations.model.analyse import Parameters

PAIRS = 20


def hardest(found: results.Results) -> dict[str, results.Share]:
    """Shares of right answers by kind of case, the worst first: kinds of hard case, plain ones, new combinations."""
    kinds = dict(found.by_hard)
    if found.hard and found.hard.total < found.total:
        total, correct = found.total - found.hard.total, found.correct - found.hard.correct
        kinds["plain"] = results.Share(total, correct, correct / total)
    if found.combination:
        kinds["new combination"] = found.combination
    return dict(sorted(kinds.items(), key=lambda item: (item[1].accuracy, item[0])))


def patterns(found: results.Results) -> str:
    """In one line: the class, pair and kind of case with the most to tell."""
    if not found.incorrect:
        return "no wrong answer"
    missed = {name: share.total - share.correct for name, share in found.by_attack_type.items()}
    worst = max(missed, key=lambda name: (missed[name], name))
    said = [f"{missed[worst]} of {found.incorrect} wrong rows are {worst}"]
    pair, times = next(iter(found.confusion.items()))
    said.append(f"most often {pair} ({times})")
    kinds = hardest(found)
    if kinds:
        kind, share = next(iter(kinds.items()))
        said.append(f"hardest: {kind} ({share.correct} of {share.total} right)")
    return "; ".join(said)


def analyse(context: Context, parameters: Parameters) -> None:
    """Reads the results and says where the model fails."""
    found = results.read(context.input(parameters.results))
    context.measure("accuracy", found.accuracy, n=found.total, count=found.correct)
    context.measure("correct", found.correct)
    context.measure("incorrect", found.incorrect)
    types = found.by_attack_type
    missed = {name: share.total - share.correct for name, share in types.items() if share.correct < share.total}
    worst_first: list[str] = sorted(missed, key=lambda name: (-missed[name], name))
    context.measure("types_missed", {name: missed[name] for name in worst_first})
    context.measure("confusions", dict(list(found.confusion.items())[:PAIRS]))
    kinds = hardest(found)
    context.measure(
        "hardest",
        {name: share.accuracy for name, share in kinds.items()} or None,
        reason="" if kinds else "the rows don't say what kind of case they are",
    )
    said = patterns(found)
    context.measure("patterns", said)
    context.log(said)
    for failure in found.failures[: parameters.listed]:
        kind = ", ".join(filter(None, [failure.hard, "new combination" if failure.combination else ""])) or "plain"
        context.log(f"{failure.attack_type} > {failure.predicted} ({kind}): {failure.payload}")
