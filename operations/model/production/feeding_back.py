"""The self-attack check: rounds of own output, attacks dressed as such, and the verdict on both."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from operations.contract import Context
from operations.files import write_atomic
from operations.model import machine
from operations.model.evaluation.results import Share, measure_share, share
from operations.model.production import controls, dressing, echo, reserved, specialists
from operations.model.production.own_output import KEY_BYTES
from operations.model.production.pipeline import SPECIALISTS
from operations.model.rows import BENIGN

if TYPE_CHECKING:
    from operations.model.feedback import Parameters

NO_ALERT = "no seed raised an alert, so that nothing was tested"
NO_ATTACK = "no genuine attack among the seeds was found undressed, so that nothing was tested"
DRESSINGS = ("bare", "forged", "copied", "beside", "reported")


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """``feedback_results.json``; what could not be tested is None."""

    prevented: bool | None
    control: str
    seeds: int
    by_class: dict[str, int]
    alert_rate: Share
    alerts_by_round: tuple[int, ...]
    fed_by_round: tuple[int, ...]
    reproduction: float | None
    reproduction_upper: float | None
    bound: str = "exact one-sided 95 %: Poisson (Garwood) for reproduction, binomial (Clopper-Pearson) for lost"
    longest: int
    chains_end: bool | None
    margin: float = dressing.MARGIN
    undressed: Share | None
    dressed: dict[str, dressing.Paired]
    found_as_often: bool | None
    benign_dressed: Share | None
    stripped: float | None
    device: str
    seconds: float
    inputs: dict[str, str]


class Check:
    """One self-attack check."""

    def __init__(self, context: Context, parameters: Parameters) -> None:
        self.context, self.parameters = context, parameters
        path = reserved.path(context, parameters.gauntlet)
        self.seeds = reserved.seeds(path, parameters.seeds, parameters.seed)
        given = {name: getattr(parameters, name) for name in SPECIALISTS}
        self.inputs = {name: artefact.sha256 for name, artefact in given.items()}
        self.inputs["gauntlet"] = parameters.gauntlet.sha256
        answering = specialists.load(context, given, parameters.batch)
        # The key is made for this job and is in its memory only.
        self.pipeline = controls.pipeline(answering, secrets.token_bytes(KEY_BYTES), parameters.control)
        self.control = controls.SAID[parameters.control]

    def go(self) -> None:
        """Feeds back, dresses, reports; ends early, with nothing told, if asked to between two steps."""
        context, parameters, start = self.context, self.parameters, time.perf_counter()
        context.log(self.control, "warning" if parameters.control else "info")
        context.measure("control", self.control)
        events = [row.event for row in self.seeds]
        raised = self.pipeline.alerts(events)
        alerts = [told for told in raised if told]
        context.log(f"{len(alerts):,} of {len(events):,} seeds raise an alert")
        echoed = echo.feed(
            self.pipeline,
            alerts,
            rounds=parameters.rounds,
            in_report=parameters.in_report,
            seed=parameters.seed,
            tell=self._round,
        )
        stripped = echo.stripped(self.pipeline, alerts, parameters.in_report, parameters.seed)
        attacks = [i for i, row in enumerate(self.seeds) if row.anomaly != BENIGN]
        quiet = [i for i, row in enumerate(self.seeds) if row.anomaly == BENIGN and raised[i] is None]
        found = [raised[i] is not None for i in attacks]
        paired: dict[str, dressing.Paired] = {}
        benign_dressed = None
        if any(found):
            ways = dressing.dressings(self.pipeline, alerts, [events[i] for i in quiet])
            for number, name in enumerate(DRESSINGS, 1):
                if context.stopping:
                    context.stopped("asked to end; the check begins anew")
                    return
                paired[name] = dressing.compare(self.pipeline, [events[i] for i in attacks], found, ways[name])
                context.progress(number, len(DRESSINGS), "dressings")
                context.log(f"{name}: {paired[name].found:,} of {len(attacks):,} found, {paired[name].lost:,} lost")
            again = self.pipeline.alerts([ways["bare"](events[i]) for i in quiet])
            benign_dressed = share(told is not None for told in again)
        ends = echoed.longest < echo.ENDS_WITHIN if alerts else None
        often = all(one.lost_upper < dressing.MARGIN for one in paired.values()) if paired else None
        rate = share(told is not None for told in raised)
        assert rate is not None, "there are at least 300 seeds"
        below = None if echoed.upper is None else echoed.upper < 1
        self._report(
            Results(
                prevented=_all(below, ends, often),
                control=self.control,
                seeds=len(events),
                by_class=self._by_class(raised),
                alert_rate=rate,
                alerts_by_round=echoed.alerts,
                fed_by_round=echoed.fed,
                reproduction=echoed.reproduction,
                reproduction_upper=echoed.upper,
                longest=echoed.longest,
                chains_end=ends,
                undressed=share(found),
                dressed=paired,
                found_as_often=often,
                benign_dressed=benign_dressed,
                stripped=stripped,
                device=machine.device(),
                seconds=time.perf_counter() - start,
                inputs=self.inputs,
            )
        )

    def _round(self, number: int, fed: int, raised: int) -> None:
        self.context.progress(number, self.parameters.rounds, "rounds")
        self.context.log(f"round {number}: {fed:,} alerts and reports fed back raise {raised:,} alerts")

    def _by_class(self, raised: Sequence[object]) -> dict[str, int]:
        counted = Counter({row.attack_type: 0 for row in self.seeds})
        counted.update(row.attack_type for row, told in zip(self.seeds, raised, strict=True) if told)
        return dict(sorted(counted.items()))

    def _report(self, found: Results) -> None:
        context = self.context
        untested = NO_ALERT if found.reproduction is None else NO_ATTACK
        for name in ("prevented", "reproduction", "reproduction_upper", "chains_end", "found_as_often", "stripped"):
            value = getattr(found, name)
            context.measure(name, value, reason=untested if value is None else "")
        context.measure("seeds", found.seeds)
        context.measure("by_class", found.by_class)
        measure_share(context, "alert_rate", found.alert_rate, "")
        context.measure("by_round", {f"round {number}": count for number, count in enumerate(found.alerts_by_round)})
        context.measure("fed", sum(found.fed_by_round))
        fed = bool(found.fed_by_round)
        context.measure("longest", found.longest if fed else None, reason="" if fed else untested)
        measure_share(context, "undressed", found.undressed, "no seed is an attack")
        for name in DRESSINGS:
            one = found.dressed.get(name)
            measure_share(context, name, one.share if one else None, untested)
        if found.dressed:
            context.measure("lost", {name: one.lost for name, one in found.dressed.items()})
            context.measure("lost_upper", 100 * max(one.lost_upper for one in found.dressed.values()))
        else:
            context.measure("lost", None, reason=untested)
            context.measure("lost_upper", None, reason=untested)
        nothing = "no benign seed was without an alert" if found.dressed else untested
        measure_share(context, "benign_dressed", found.benign_dressed, nothing)
        context.measure("duration", found.seconds)
        context.measure("device", found.device)
        verdict = {True: "is prevented", False: "is NOT prevented: do not deploy", None: f"was not tested: {untested}"}
        context.log(f"self-attack {verdict[found.prevented]}", "info" if found.prevented else "warning")
        path = context.output("feedback_results.json")
        write_atomic(path, msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
        context.artefact("results", path)


def _all(*parts: bool | None) -> bool | None:
    """False if a part is false; else None if one could not be tested."""
    return False if False in parts else None if None in parts else True


def run(context: Context, parameters: Parameters) -> None:
    """Feeds own output back, dresses attacks as such, says whether self-attack is prevented."""
    Check(context, parameters).go()
