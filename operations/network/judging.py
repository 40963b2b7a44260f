"""The verdict on an air gap from what the hosts found: BROKEN before INCONCLUSIVE before ENFORCED. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from operations.network.probes import Answer

Verdict = Literal["BROKEN", "INCONCLUSIVE", "ENFORCED"]


class Found(msgspec.Struct, frozen=True):
    """What one host found; ``skipped`` says why it asked nothing outward."""

    outward: tuple[Answer, ...] = ()
    controls: tuple[Answer, ...] = ()
    routes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    skipped: str = ""


class Judgement(msgspec.Struct, frozen=True):
    """``ways`` out, and ``doubts``: whatever keeps silence from proving anything."""

    verdict: Verdict
    ways: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def why(self) -> str:
        """The reasons of the verdict in one line; empty for ENFORCED."""
        return "; ".join(self.ways or self.doubts)


def judge(hosts: Mapping[str, Found], missing: Sequence[str] = ()) -> Judgement:
    """Over all hosts by name. One way out of any of them breaks the gap; one doubt leaves it unproven."""
    ways = [f"{host}: {way}" for host, found in hosts.items() for way in _ways(found)]
    doubts = [f"the {host} host did not report" for host in missing]
    doubts += [f"{host}: {doubt}" for host, found in hosts.items() for doubt in _doubts(found)]
    verdict: Verdict = "BROKEN" if ways else "INCONCLUSIVE" if doubts or not hosts else "ENFORCED"
    return Judgement(verdict, tuple(ways), tuple(doubts))


def _ways(found: Found) -> list[str]:
    answered = [f"{answer.probe.words} answered" for answer in found.outward if answer.outcome == "answered"]
    return [*found.routes, *answered]


def _doubts(found: Found) -> list[str]:
    if found.skipped:
        return [found.skipped, *found.doubts]
    doubts = list(found.doubts)
    if not found.outward:
        doubts.append("it asked nothing outward")
    for answer in found.outward:
        if answer.outcome == "no tool":
            doubts.append(f"{answer.probe.words} could not be asked: {answer.said}")
        elif answer.outcome == "refused":
            doubts.append(f"{answer.probe.words} was refused: something answers in its name")
    for answer in found.controls:
        if answer.outcome != "answered":
            doubts.append(f"control failed: {answer.probe.words}: {answer.said}")
    controlled = {(_family(answer), answer.probe.kind) for answer in found.controls if answer.outcome == "answered"}
    for family, kind in sorted({(_family(a), a.probe.kind) for a in found.outward if a.outcome == "silent"}):
        silent = [a for a in found.outward if (_family(a), a.probe.kind) == (family, kind) and not a.no_way]
        if silent and (family, kind) not in controlled:
            doubts.append(f"no control of {kind}{' over IPv6' if family == 6 else ''} was answered by another host")
    return doubts


def _family(answer: Answer) -> int:
    return 6 if ":" in answer.probe.target else 4
