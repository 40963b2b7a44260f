"""Three hosts of one run know of each other: the first role's job introduces them and collects what each found."""

from __future__ import annotations

import contextlib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from operations.contract import Context, Refusal
from operations.network import joining
from operations.network.peer import Peer, machine

HostRole = Literal["first", "second", "third"]
ROLES: tuple[HostRole, ...] = ("first", "second", "third")
Report = TypeVar("Report", bound=msgspec.Struct)


class Meeting(Protocol):
    """The parameters that a gathering needs."""

    @property
    def role(self) -> HostRole: ...
    @property
    def address(self) -> str: ...
    @property
    def endpoint_address(self) -> str: ...
    @property
    def endpoint_port(self) -> int: ...
    @property
    def patience(self) -> float: ...


class Present(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A host that is there: its address towards the first host, what tells its machine, ports it offers by name."""

    role: HostRole
    address: str
    machine: str
    ports: dict[str, int] = {}


class Roster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """First host to all others: who is there."""

    hosts: tuple[Present, ...]


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """First host to all others: every report is there, what a host offers may go."""


class Gathering(Generic[Report]):
    """The hosts that came, and what they report to the first."""

    def __init__(self, me: Present, roster: Roster, partners: Mapping[HostRole, Peer], kind: type[Report]) -> None:
        self.me = me
        self.others = tuple(host for host in roster.hosts if host.role != me.role)
        self.missing = tuple(role for role in ROLES if all(host.role != role for host in roster.hosts))
        self._partners = partners
        self._kind = kind

    @property
    def alone(self) -> str:
        """Why nothing between these hosts crosses a wire: the roles that share this one's machine; else empty."""
        same = [host.role for host in self.others if host.machine and host.machine == self.me.machine]
        return f"it shares one machine with the {' and the '.join(same)} host" if same else ""

    def collect(self, mine: Report) -> dict[HostRole, Report]:
        """On the first host every report by role, its own included; elsewhere only one's own, once all are in.

        A host that goes missing on the way is left out of what the first host gets.
        """
        found = {self.me.role: mine}
        if self.me.role != "first":
            (first,) = self._partners.values()
            first.tell(mine)
            first.hear(End)
            return found
        for role, peer in self._partners.items():
            with contextlib.suppress(Refusal):
                found[role] = peer.hear(self._kind)
        for peer in self._partners.values():
            with contextlib.suppress(Refusal):
                peer.tell(End())
        return found


Offer = Callable[[str], Mapping[str, int]]
"""Given the host's own address, opens what it offers there and says on which ports."""


@contextlib.contextmanager
def gathered(
    context: Context, parameters: Meeting, kind: type[Report], offer: Offer = lambda _: {}
) -> Iterator[Gathering[Report]]:
    """Meets the other hosts. Raises Refusal where there is no first host, Stopping if the job is asked to end.

    A second or third host that does not come within ``patience`` is missing, and that is all.
    """
    # The token makes the digest one that only this run's jobs can compare.
    name = machine()
    told = hmac.new(context.secret("token").encode(), name.encode(), "sha256").hexdigest() if name else ""
    with contextlib.ExitStack() as held:
        if parameters.role == "first":
            yield _introduce(context, parameters, held, kind, offer, told)
        else:
            where = (parameters.endpoint_address, parameters.endpoint_port)
            first = held.enter_context(joining.joined(context, where, "other", parameters.patience))
            # The others may come one after another: the roster takes longer than an answer.
            first.peer.patience = 2 * parameters.patience
            me = Present(parameters.role, first.here, told, dict(offer(first.here)))
            first.peer.tell(me)
            yield Gathering(me, first.peer.hear(Roster), {"first": first.peer}, kind)


def _introduce(
    context: Context,
    parameters: Meeting,
    held: contextlib.ExitStack,
    kind: type[Report],
    offer: Offer,
    told: str,
) -> Gathering[Report]:
    partners: dict[HostRole, Peer] = {}
    hosts: list[Present] = []
    with joining.listen(parameters.address) as listener:
        here, port = listener.getsockname()[:2]
        context.endpoint(here, port)
        until = time.monotonic() + parameters.patience
        with contextlib.suppress(Refusal):
            while len(partners) < len(ROLES) - 1:
                peer = held.enter_context(joining.admitted(context, listener, "first", parameters.patience, until)).peer
                there = peer.hear(Present)
                partners[there.role] = peer
                hosts.append(there)
    me = Present("first", here, told, dict(offer(here)))
    roster = Roster((me, *hosts))
    for peer in partners.values():
        peer.tell(roster)
    for role in ROLES[1:]:
        if role not in partners:
            context.log(f"the {role} host did not come within {parameters.patience:g} s", "warning")
    return Gathering(me, roster, partners, kind)
