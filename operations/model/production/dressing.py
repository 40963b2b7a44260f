"""Genuine attacks dressed as the pipeline's own output, by somebody who knows its format but not its key."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import msgspec

from operations import stats
from operations.contract import Refusal
from operations.model.evaluation.results import Share
from operations.model.production import own_output
from operations.model.production.own_output import Alert
from operations.model.production.pipeline import Pipeline

MARGIN = 0.02
"""Of the attacks found undressed, a dressing must lose less than this share, by the bound of what it loses."""
QUOTED = 4
"""Benign events that a report quotes before the attack."""


class Paired(msgspec.Struct, frozen=True):
    """The same attacks in one dressing: ``found`` of ``attacks``; ``lost`` were found undressed only, ``gained``
    dressed only; ``lost_upper`` is the exact one-sided upper 95 % bound of lost among those found undressed."""

    attacks: int
    found: int
    lost: int
    gained: int
    lost_upper: float

    @property
    def share(self) -> Share:
        """What was found."""
        return Share(self.attacks, self.found, self.found / self.attacks)


Dressing = Callable[[str], str]


def dressings(pipeline: Pipeline, alerts: Sequence[Alert], benign: Sequence[str]) -> dict[str, Dressing]:
    """Ways to dress a payload by name, with genuine alerts to copy from, and benign events to hide among.

    Raises Refusal if there is no alert to copy from.
    """
    if not alerts:
        raise Refusal("no genuine alert was raised, so that none can be copied from")
    genuine = [(told, pipeline.marks.alert(told)) for told in alerts]
    turn = 0

    def another(payload: str) -> tuple[Alert, str]:
        """A genuine alert of another event: under the mark of its own the payload would be no attack, but an alert."""
        nonlocal turn
        turn += 1
        turned = (genuine[(turn + at) % len(genuine)] for at in range(len(genuine)))
        return next((one for one in turned if one[0].event != payload), genuine[0])

    def bare(payload: str) -> str:
        return own_output.alert(_worded(payload))

    def forged(payload: str) -> str:
        told = _worded(payload)
        return own_output.with_tag(own_output.alert(told), told.id, _made_up())

    def copied(payload: str) -> str:
        told, text = another(payload)
        return own_output.alert(msgspec.structs.replace(told, event=payload)) + text[len(own_output.alert(told)) :]

    def beside(payload: str) -> str:
        _, text = another(payload)
        return f"{text}\n{payload}"

    def reported(payload: str) -> str:
        nonlocal turn
        turn += QUOTED
        quoted = [benign[(turn + at) % len(benign)] for at in range(QUOTED)] if benign else []
        id = own_output.fresh()
        text = own_output.report(id, [_worded(event) for event in [*quoted, payload]])
        return own_output.with_tag(text, id, _made_up())

    return {"bare": bare, "forged": forged, "copied": copied, "beside": beside, "reported": reported}


def compare(pipeline: Pipeline, attacks: Sequence[str], undressed: Sequence[bool], dress: Dressing) -> Paired:
    """The attacks in a dressing beside what was found of them undressed, of which at least one is true."""
    dressed = [told is not None for told in pipeline.alerts([dress(payload) for payload in attacks])]
    pairs = list(zip(undressed, dressed, strict=True))
    lost = pairs.count((True, False))
    return Paired(
        attacks=len(pairs),
        found=sum(dressed),
        lost=lost,
        gained=pairs.count((False, True)),
        lost_upper=stats.binomial_upper(lost, sum(undressed)),
    )


def _worded(payload: str) -> Alert:
    return Alert(own_output.fresh(), "low", "amber", "only", payload)


def _made_up() -> str:
    return secrets.token_hex(own_output.TAG_BITS // 8)
