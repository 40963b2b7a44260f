"""Both ends of ``network.throughput``: the server starts a one-shot iperf3 for each direction, the client asks it."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Literal

import msgspec

from operations.contract import Context, Refusal
from operations.files import write_atomic
from operations.lines import TextLines
from operations.network import iperf, joining
from operations.network.interfaces import Interface, carrying, interfaces, no_wire
from operations.network.peer import Peer, Stopping, machine

if TYPE_CHECKING:
    from operations.network.throughput import Parameters

Direction = Literal["to_server", "to_client"]
DIRECTIONS: tuple[Direction, ...] = ("to_server", "to_client")
_GRACE = 15.0
"""Seconds beyond its time after which an iperf3 that has not ended is ended."""
_TICK = 0.2


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each end to the other: its machine, its link, why that is no wire, and why it has no iperf3."""

    machine: str
    mtu: int | None
    speed: float | None
    no_wire: str
    lacks: str


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Server to client: iperf3 listens there."""

    direction: Direction
    port: int


class Done(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Client to server: that direction is measured, or it failed and why."""

    fault: str = ""


def carry_out(context: Context, parameters: Parameters) -> None:
    """Measures both directions. Raises Refusal in one line."""
    try:
        (_serve if parameters.role == "server" else _ask)(context, parameters)
    except Stopping:
        context.stopped("asked to stop; half a measurement is none")


def _serve(context: Context, parameters: Parameters) -> None:
    path, lacks = _program()
    until = time.monotonic() + parameters.patience
    with contextlib.ExitStack() as held:
        with joining.listen(parameters.address) as listener:
            context.endpoint(*listener.getsockname()[:2])
            client = held.enter_context(
                joining.admitted(context, listener, "server", parameters.patience + parameters.seconds + _GRACE, until)
            )
        mine, theirs = _introduced(client.peer, client.here, lacks)
        if not _nothing(context, mine, theirs):
            for direction in DIRECTIONS:
                _serve_one(context, parameters, path, client, direction)
    _tell_link(context, parameters, mine, theirs)


def _serve_one(
    context: Context, parameters: Parameters, path: str, client: joining.Joined, direction: Direction
) -> None:
    port = _free_port(client.here)
    flags = ["-i", str(iperf.INTERVAL), "-f", "k", "--forceflush"]
    command = [path, "-s", "-1", "-B", client.here, "-p", str(port), *flags]
    with _running(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        teller = _Teller(context, direction)
        teller.follow(child, lambda: teller.listening, time.monotonic() + parameters.patience)
        if not teller.listening:
            raise Refusal(f"iperf3 did not listen: {teller.last}")
        client.peer.tell(Port(direction, port))
        # The client's word may come before the last lines, or instead of them.
        ends = time.monotonic() + parameters.patience + parameters.seconds + _GRACE
        teller.follow(child, lambda: client.peer.waiting, ends)
        done = client.peer.hear(Done)
        if done.fault:
            raise Refusal(f"the client: {done.fault}")
        teller.follow(child, lambda: False, time.monotonic() + _GRACE)


class _Teller:
    """Passes the server's live text on: each line to the log, each interval as a point of a curve."""

    def __init__(self, context: Context, direction: Direction) -> None:
        self._context = context
        self._direction = direction
        self._texts = TextLines()
        self.listening = False
        self.last = ""

    def follow(self, child: subprocess.Popen[bytes], enough: Callable[[], bool], until: float) -> None:
        """Until ``enough``, or the child has closed its output; ends it at ``until``, which is monotonic."""
        assert child.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(child.stdout, selectors.EVENT_READ)
            while not enough():
                if self._context.stopping:
                    raise Stopping
                if time.monotonic() > until:
                    child.kill()
                    raise Refusal("iperf3's server was not done in time, and was ended")
                if not selector.select(_TICK):
                    continue
                data = os.read(child.stdout.fileno(), 65_536)
                for line in self._texts.feed(data, time.monotonic()) if data else self._texts.close():
                    self._line(line)
                if not data:
                    return

    def _line(self, line: str) -> None:
        if not line.strip("- "):
            return
        self.last = line
        self.listening = self.listening or line.startswith("Server listening")
        point = iperf.live(line)
        if point is not None:
            self._context.metric(self._direction, point[1], step=round(point[0] / iperf.INTERVAL))
            line = f"{point[1]:.2f} Gbit/s {self._direction.replace('_', ' ')}  {line}"
        self._context.log(line)


def _ask(context: Context, parameters: Parameters) -> None:
    path, lacks = _program()
    where = (parameters.endpoint_address, parameters.endpoint_port)
    results: dict[Direction, iperf.Result] = {}
    texts: dict[Direction, msgspec.Raw] = {}
    with joining.joined(context, where, "client", parameters.patience) as server:
        mine, theirs = _introduced(server.peer, server.here, lacks)
        if _nothing(context, mine, theirs):
            _tell_link(context, parameters, mine, theirs)
            return
        for number, direction in enumerate(DIRECTIONS):
            done = number * parameters.seconds
            context.progress(done, 2 * parameters.seconds, "s")
            port = server.peer.hear(Port)
            command = [path, "-c", where[0], "-p", str(port.port), "-B", server.here, "-t", str(parameters.seconds)]
            command += ["-i", str(iperf.INTERVAL), "-J", *(["-R"] if port.direction == "to_client" else [])]
            try:
                texts[direction] = msgspec.Raw(_output(context, command, parameters.seconds, done))
                results[direction] = iperf.result(bytes(texts[direction]))
            except Refusal as refusal:
                server.peer.tell(Done(str(refusal)))
                raise
            server.peer.tell(Done())
    context.progress(2 * parameters.seconds, 2 * parameters.seconds, "s")
    path_of_results = context.output("iperf3.json")
    write_atomic(path_of_results, msgspec.json.encode(texts))
    context.artefact("results", path_of_results)
    _tell_link(context, parameters, mine, theirs)
    report(context, results, _no_link(mine, theirs) or _too_short(parameters, results))


def report(context: Context, results: dict[Direction, iperf.Result], why: str) -> None:
    """The measures of both directions; ``why`` is the reason for no throughput, empty if there is one."""
    slower = min(result.bits for result in results.values()) / 1e9
    context.measure("throughput", None if why else slower, reason=why)
    context.measure("observed", slower)
    context.measure("sustained", min(result.sustained for result in results.values()) / 1e9)
    for direction, result in results.items():
        context.measure(direction, result.bits / 1e9)
    retransmits = [result.retransmits for result in results.values() if result.retransmits is not None]
    if len(retransmits) == len(results):
        context.measure("retransmits", sum(retransmits))
    else:
        context.measure("retransmits", None, reason="the sender's system does not count them")
    if why:
        context.log(f"{slower:.3g} Gbit/s is no throughput of a network: {why}", "warning")


def _output(context: Context, command: list[str], seconds: int, done: int) -> bytes:
    """What the client printed, a progress each second meanwhile: ``done`` are those of the direction before.

    Raises Refusal if it was ended or is not done in time, Stopping if asked to stop.
    """
    began = time.monotonic()
    told = 0
    with tempfile.TemporaryFile() as out, _running(command, stdout=out, stderr=subprocess.STDOUT) as child:
        while True:
            try:
                status = child.wait(_TICK)
                break
            except subprocess.TimeoutExpired:
                if context.stopping:
                    raise Stopping from None
                passed = time.monotonic() - began
                if passed > seconds + _GRACE:
                    raise Refusal("iperf3 was not done in time, and was ended") from None
                if told < int(passed) < seconds:
                    told = int(passed)
                    context.progress(done + told, 2 * seconds, "s")
        out.seek(0)
        text = out.read()
    if status < 0:
        raise Refusal(f"iperf3 was ended by signal {-status}")
    return text


@contextlib.contextmanager
def _running(command: list[str], stdout: int | IO[bytes], stderr: int) -> Iterator[subprocess.Popen[bytes]]:
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
    except OSError as error:
        raise Refusal(f"{command[0]} can't be run: {error.strerror}") from None
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


def _free_port(address: str) -> int:
    """A port that was free a moment ago: iperf3 can't say which one it would choose."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as probe:
        return int(probe.getsockname()[1])


def _program() -> tuple[str, str]:
    """The path of iperf3, or why there is none."""
    try:
        return iperf.program(), ""
    except Refusal as refusal:
        return "", str(refusal)


def _introduced(peer: Peer, address: str, lacks: str) -> tuple[End, End]:
    found = carrying(interfaces(), address)
    mine = _end(found, address, peer.alias(machine()), lacks)
    peer.tell(mine)
    return mine, peer.hear(End)


def _end(found: Interface | None, address: str, alias: str, lacks: str) -> End:
    return End(alias, found.mtu if found else None, found.speed if found else None, no_wire(found, address), lacks)


def _nothing(context: Context, mine: End, theirs: End) -> bool:
    """Whether nothing is measured, because no iperf3 is there where it could show no network anyway.

    Between two machines it is needed: raises Refusal.
    """
    lacks = mine.lacks or theirs.lacks
    if not lacks:
        return False
    if not _one_machine(mine, theirs):
        raise Refusal(mine.lacks or f"the other host: {theirs.lacks}")
    for name in ("throughput", "observed", "sustained", *DIRECTIONS, "retransmits"):
        context.measure(name, None, reason=f"one machine; {lacks}")
    context.log(f"nothing is measured between hosts of one machine: {lacks}", "warning")
    return True


def _one_machine(mine: End, theirs: End) -> bool:
    return bool(mine.machine) and mine.machine == theirs.machine


def _no_link(mine: End, theirs: End) -> str:
    """Why no figure between these ends says anything of a network; empty if it does.

    A wired card that does not tell its speed can be measured all the same.
    """
    shared = "one machine" if _one_machine(mine, theirs) else ""
    return "; ".join(dict.fromkeys(part for part in (shared, mine.no_wire, theirs.no_wire) if part))


def _too_short(parameters: Parameters, results: dict[Direction, iperf.Result]) -> str:
    shortest = min(result.seconds for result in results.values())
    if shortest < 0.95 * parameters.timed_from:
        return f"{shortest:.3g} s of each direction, at least {parameters.timed_from} s are asked for"
    return ""


def _tell_link(context: Context, parameters: Parameters, mine: End, theirs: End) -> None:
    sizes = [end.mtu for end in (mine, theirs) if end.mtu]
    speeds = [end.speed for end in (mine, theirs) if end.speed]
    if not sizes:
        context.measure("mtu", None, reason="neither end's system tells it")
        context.measure("ceiling", None, reason="no MTU is known")
        return
    mtu = min(sizes)
    context.measure("mtu", mtu)
    if len(speeds) < 2:
        context.measure("ceiling", None, reason="not both ends tell a negotiated speed")
    else:
        context.measure("ceiling", min(speeds) * iperf.ceiling(mtu))
    link = min(speeds) if len(speeds) == 2 else 10.0
    most = link * iperf.ceiling(mtu)
    context.log(f"MTU {mtu}: TCP can carry {most:.2f} of {link:g} Gbit/s")
    if parameters.wanted > link:
        context.log(f"a link of {link:g} Gbit/s can't reach {parameters.wanted:g} Gbit/s", "warning")
    elif parameters.wanted > most:
        context.log(f"MTU {mtu} can't reach {parameters.wanted:g} Gbit/s on this link: set jumbo frames", "warning")
