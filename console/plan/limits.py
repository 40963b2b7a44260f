"""The limits of a plan: which hold where, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from console.plan.faults import Finding
from console.plan.sites import Site, matches
from console.plan.types import Limit, Plan
from operations import registry

_ASIDE = "limit."


def aside(key: str) -> str:
    """The limit that a site's ``[not_here]`` sets aside under that key; empty where it is a gate's criterion."""
    return key.removeprefix(_ASIDE) if key.startswith(_ASIDE) else ""


def why_aside(not_here: Mapping[str, str], limit: str) -> str:
    """Why a limit does not hold in this rehearsal; empty where it holds."""
    return not_here.get(f"{_ASIDE}{limit}", "")


def shared(site: Site) -> dict[str, str]:
    """Hosts that share a machine with one named before them, and that one."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for id, host in site.host.items():
        machine = host.machine or ("this machine" if host.link == "local" else "")
        if machine and first.setdefault(machine, id) != id:
            found[id] = first[machine]
    return found


def watched(limit: Limit, site: Site) -> dict[str, list[str]]:
    """Where a limit is watched: the first host of each machine that it names, and all of its hosts there."""
    twins, found = shared(site), dict[str, list[str]]()
    for id in site.host:
        if not limit.host or id in limit.host:
            found.setdefault(twins.get(id, id), []).append(id)
    return {hosts[0]: hosts for hosts in found.values()}


def in_plan(plan: Plan) -> Iterator[Finding]:
    """What is wrong with a plan's limits."""
    for id, limit in plan.limit.items():
        for at, pattern in enumerate(limit.running):
            if not any(matches(pattern, operation) for operation in registry.names()):
                what = f'no operation "{pattern}"; expected one, or a group as model.*'
                yield Finding(("limit", id, "running", at), what)


def in_site(site: Site, plan: Plan) -> Iterator[Finding]:
    """What is wrong with a site for that plan's limits."""
    for key in site.not_here:
        name = aside(key)
        if name and name not in plan.limit:
            yield Finding(("not_here", key), f'no limit "{name}"; the plan has {", ".join(plan.limit) or "none"}')
    for id, limit in plan.limit.items():
        for host in limit.host:
            if host not in site.host:
                yield Finding(("host",), f'no host "{host}", which limit {id} names')
