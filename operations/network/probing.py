"""Carries ``network.airgap`` out: the hosts meet, ask outward and each other at once, and the first judges."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import msgspec

from operations.contract import Context, Refusal
from operations.files import write_atomic
from operations.lines import cut
from operations.network import surroundings
from operations.network.gathering import ROLES, Gathering, HostRole, Present, gathered
from operations.network.judging import Found, Judgement, judge
from operations.network.peer import Stopping
from operations.network.probes import Answer, Kind, Probe, ask_all
from operations.network.responder import Responder

if TYPE_CHECKING:
    from operations.network.airgap import Parameters

_CONTROLS: tuple[Kind, ...] = ("tcp", "tls", "dns-udp", "dns-tcp", "ntp")
_PLAN_ASKS: tuple[HostRole, ...] = ("first", "second")
"""The hosts whose pings are the plan's inward probes, two each; the third's are controls only."""
ALONE = "all hosts are this one: nothing was asked outward, for without a control silence proves nothing"


def carry_out(context: Context, parameters: Parameters) -> None:
    """Probes, reports, and on the first host judges. Raises Refusal in one line."""
    with contextlib.ExitStack() as held:
        responder = Responder()
        held.callback(responder.close)
        try:
            hosts = held.enter_context(gathered(context, parameters, Found, lambda at: _opened(responder, at)))
            mine = _probe(context, parameters, hosts)
            everyone = hosts.collect(mine)
        except Stopping:
            context.stopped("asked to stop before the hosts had asked each other")
            return
    _tell(context, mine)
    if parameters.role == "first":
        _judge(context, everyone)
    path = context.output("airgap.json")
    write_atomic(path, msgspec.json.format(msgspec.json.encode(everyone)) + b"\n")
    context.artefact("evidence", path)


def _opened(responder: Responder, address: str) -> dict[str, int]:
    try:
        return responder.open(address)
    except OSError as error:
        raise Refusal(f"can't answer the other hosts at {address}: {error.strerror}") from None


def _probe(context: Context, parameters: Parameters, hosts: Gathering[Found]) -> Found:
    near = surroundings.look([name.lower() for name in parameters.sites])
    others = [other for other in hosts.others if not _own(other.address, near.own)]
    doubts = [*near.doubts]
    if hosts.others and not others:
        return Found(routes=near.routes, doubts=tuple(doubts), skipped=ALONE)
    doubts += [f"no control: {o.address} is this host's own" for o in hosts.others if o not in others]
    doubts += [f"no control: the {role} host did not come" for role in hosts.missing]
    outward = outward_probes(parameters, near.pinned)
    inward = [probe for other in others for probe in control_probes(parameters, other)]
    context.log(f"{len(outward)} outward probes and {len(inward)} controls to {len(others)} hosts")
    context.progress(0, len(outward) + len(inward), "probes")
    answers = ask_all([*outward, *inward], parameters.wait)
    context.progress(len(answers), len(answers), "probes")
    return Found(
        outward=tuple(answers[: len(outward)]),
        controls=tuple(_no_own(answer, near.own) for answer in answers[len(outward) :]),
        routes=near.routes,
        doubts=tuple(doubts),
    )


def outward_probes(parameters: Parameters, pinned: Collection[str]) -> list[Probe]:
    """All questions to the outside; a public name that a file pins is none."""
    sites = [site for site in parameters.sites if site.lower() not in pinned]
    probes = []
    for target in parameters.outside:
        probes.append(Probe("icmp", target, count=parameters.pings))
        probes += [Probe("tcp", target, port) for port in parameters.ports]
        probes.append(Probe("tls", target, 443, parameters.sites[0]))
        probes += [Probe(kind, target, 53, parameters.sites[0]) for kind in ("dns-udp", "dns-tcp")]
    for site in sites:
        probes += [Probe("resolver", site), Probe("tls", site, 443)]
    return probes + [Probe("ntp", clock, 123) for clock in parameters.clocks]


def control_probes(parameters: Parameters, other: Present) -> list[Probe]:
    """The same kinds of questions, by the same tools, to another host that is known to answer them."""
    about = parameters.sites[0]
    probes = [Probe("icmp", other.address, count=parameters.pings)]
    probes += [Probe(kind, other.address, other.ports[kind], about) for kind in _CONTROLS if kind in other.ports]
    at = ROLES.index(other.role)
    if at < len(parameters.names):
        probes.append(Probe("resolver", parameters.names[at]))
    return probes


def _own(address: str, own: Collection[str]) -> bool:
    return ipaddress.ip_address(address).is_loopback or address in own


def _no_own(control: Answer, own: Collection[str]) -> Answer:
    """A name that leads back here is no control of the resolver."""
    if not any(_own(address.partition("%")[0], own) for address in control.found):
        return control
    return msgspec.structs.replace(control, outcome="silent", said=f"{control.said}, which is this host's own")


def _tell(context: Context, mine: Found) -> None:
    for answer in mine.controls:
        context.log(f"inward {answer.words}", "info" if answer.outcome == "answered" else "warning")
    for answer in mine.outward:
        context.log(f"outward {answer.words}", "info" if answer.outcome == "silent" else "warning")
    for route in mine.routes:
        context.log(route, "warning")
    for doubt in mine.doubts:
        context.log(doubt, "warning")
    if mine.skipped:
        context.log(mine.skipped, "warning")
        context.measure("here", None, reason=mine.skipped)
        return
    answered = sum(answer.outcome == "answered" for answer in mine.outward)
    passed = sum(answer.outcome == "answered" for answer in mine.controls)
    context.measure(
        "here",
        f"{answered} of {len(mine.outward)} outward answered, {passed} of {len(mine.controls)} controls passed, "
        f"{len(mine.routes)} default route{'' if len(mine.routes) == 1 else 's'}",
    )


def _judge(context: Context, everyone: Mapping[HostRole, Found]) -> None:
    judgement = judge(
        {str(role): found for role, found in everyone.items()}, [role for role in ROLES if role not in everyone]
    )
    context.log(f"{judgement.verdict}{': ' if judgement.why else ''}{judgement.why}")
    context.measure("verdict", judgement.verdict)
    context.measure("why", cut(judgement.why) or "all silent outside, all answered inside")
    outward = [answer for found in everyone.values() for answer in found.outward]
    controls = [answer for found in everyone.values() for answer in found.controls]
    if outward:
        context.measure("answered", sum(answer.outcome == "answered" for answer in outward))
        context.measure("asked", len(outward))
        passed = sum(answer.outcome == "answered" for answer in controls)
        context.measure("controls", passed)
        context.measure("failed", len(controls) - passed)
        pings = [
            answer
            for role in _PLAN_ASKS
            for answer in (everyone[role].controls if role in everyone else ())
            if answer.probe.kind == "icmp"
        ]
        context.measure("inward", sum(answer.outcome == "answered" for answer in pings))
    else:
        for name in ("answered", "asked", "controls", "failed", "inward"):
            context.measure(name, None, reason=ALONE)
    _tell_ways(context, judgement)


def _tell_ways(context: Context, judgement: Judgement) -> None:
    # A gap that is not proven has no number of ways out: 0 would pass for proof.
    if judgement.verdict == "INCONCLUSIVE":
        context.measure("ways", None, reason=f"INCONCLUSIVE: {judgement.why}")
    else:
        context.measure("ways", len(judgement.ways))
