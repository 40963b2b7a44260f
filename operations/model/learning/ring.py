"""A training over several hosts: one rank on each, in MLX's own ring.

``mlx.launch`` logs in to other hosts with whatever ~/.ssh says and takes neither an identity nor known hosts. So the
job's worker logs in itself, as rsync does for a transfer, and starts the ranks in the environment that ``mlx.launch``
makes. Over each login a `member` says what is not there; rsync brings it, and the ranks begin together. The first is
here: it alone writes and tells. Whoever ends first without being done ends all.
"""

from __future__ import annotations

import contextlib
import math
import os
import queue
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from operations import job
from operations.contract import Artefact, Context, Refusal
from operations.lines import one_line
from operations.model.learning import ranks, states
from operations.model.learning.member import PROTOCOL, Begin, Ended, Go, Hello, Lacks
from operations.network import ssh, syncing

if TYPE_CHECKING:
    from operations.model.train import Parameters

_EQUAL = ("gladiator-console", "mlx", "mlx-lm")
_SAME = "install the same on both"
_BEAT = 1.0
_POLL = 0.2
_OWN = 255
"""The exit status of ssh where it is not that of what it ran."""
_LAST_WORDS = 5.0
_LOST = "[ring]"
"""In what MLX says where another rank is gone: that one's own reason is the better one."""
Word = TypeVar("Word", Hello, Lacks)


class _Asked(Exception):
    """Somebody asked the job to end before the ranks began."""


class Member:
    """The other end of one login; `gone` once it has ended."""

    def __init__(self, context: Context, login: ssh.Login, address: str, python: str) -> None:
        self.address, self._context, self._login = address, context, login
        command = shlex.join([python or sys.executable, "-P", "-m", "operations.model.learning.member"])
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [*login.arguments(), "--", address, command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
        )
        self._heard: queue.SimpleQueue[Hello | Lacks | Ended | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True, name=f"from {address}")
        self._reader.start()
        self._writing = threading.Lock()
        self.last: str | None = None
        """Why it ended, once it has; empty for no failure."""

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(msgspec.DecodeError):  # a login may greet first
                self._heard.put(msgspec.json.decode(line, type=Hello | Lacks | Ended))
        self._heard.put(None)

    def tell(self, message: Begin | Go | None) -> None:
        """None says only that somebody is here."""
        assert self._process.stdin is not None
        with self._writing, contextlib.suppress(OSError, ValueError):  # its end is heard
            self._process.stdin.write((msgspec.json.encode(message) if message else b"") + b"\n")
            self._process.stdin.flush()

    def hear(self, kind: type[Word]) -> Word:
        """The next message. Raises Refusal with the reason if it ended instead, _Asked if the job is to end."""
        while True:
            try:
                found = self._heard.get(timeout=_POLL)
            except queue.Empty:
                if self._context.stopping:
                    raise _Asked from None
                continue
            if isinstance(found, kind):
                return found
            raise Refusal(self._reason(found))

    def gone(self, wait: float = 0.0) -> bool:
        """Whether it has ended; `last` then says why."""
        if self.last is None:
            with contextlib.suppress(queue.Empty):
                found = self._heard.get(wait > 0, wait or None)
                self.last = "" if found == Ended() else self._reason(found)
        return self.last is not None

    def _reason(self, found: Hello | Lacks | Ended | None) -> str:
        if isinstance(found, Ended):
            return f"{self.address}: {found.reason}"
        self._end()
        self._said.seek(0)
        said = [line.strip() for line in self._said.read().decode("utf-8", "replace").splitlines() if line.strip()]
        where, login = f"{self.address} port {self._login.port}", self._login
        match ssh.fault(said):
            case "changed":
                return f"THE HOST KEY OF {where} HAS CHANGED: {login.known_hosts} has another; nothing was sent"
            case "unknown":
                return f"the host key of {where} is unknown: compare it there, then add it to {login.known_hosts}"
            case "refused":
                return f"{where} does not let {login.identity} in: add its .pub to authorized_keys there"
        told = next((line for line in said if line.startswith("ssh:")), said[-1] if said else "")
        if not told:
            status = self._process.returncode
            told = "out of reach, or killed there" if status == _OWN else f"without a word, exit status {status}"
        return one_line(f"the rank on {where} ended: {told}")[:900]

    def close(self) -> None:
        """Ends the login, and with it all that it started there."""
        self._end()
        self._said.close()

    def _end(self) -> None:
        with self._writing, contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(_LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()


def launch(context: Context, parameters: Parameters) -> None:
    """Runs the job on this host and those of the ring to its end. Raises Refusal with the reason if they fail."""
    here, *others = addresses = _addresses(parameters)
    login = _ready(parameters)
    file = job.read(context.directory)
    resume = _newest(context)
    file = msgspec.structs.replace(file, resume=resume)
    given = (parameters.model, parameters.tokens, parameters.configuration)
    inputs = (*(artefact for artefact in given if artefact), *resume)
    try:
        with contextlib.ExitStack() as stack:
            members = [_enter(context, login, address, parameters, stack) for address in others]
            _alive(members, stack)
            ports = [ranks.free_ports(1, here)]
            for member in members:
                root = parameters.root or str(context.root)
                member.tell(Begin(root, member.address, parameters.patience, file, inputs))
            for member in members:
                lacks = member.hear(Lacks)
                ports.append(lacks.port)
                for artefact in inputs:
                    if artefact.path in lacks.places:
                        _bring(context, login, member, artefact, lacks)
            hosts = [[f"{a}:{port}"] for a, port in zip(addresses, ports, strict=True)]
            context.log(f"{len(hosts)} hosts on MLX's ring: {', '.join(host for (host,) in hosts)}")
            for number, member in enumerate(members, 1):
                member.tell(Go(number, hosts))
            _train(context, members, hosts)
    except _Asked:
        context.stopped("asked to end; the ranks had not begun")


def _addresses(parameters: Parameters) -> list[str]:
    """Those of the ring, this host's the first."""
    if not any(parameters.wired):
        raise Refusal("a ring needs this host's own address on the wired network: state its `wired` in the site's file")
    found = [*parameters.wired, *(address.strip() for address in parameters.ring.split(","))]
    for address in found:
        if not address or ":" in address or address.startswith("-"):
            raise Refusal(f"{address!r} is no address of a ring: MLX takes IPv4 addresses and names")
    if len(set(found)) < len(found):
        raise Refusal(f"a ring takes each host once: {', '.join(found)}")
    return found


def _ready(parameters: Parameters) -> ssh.Login:
    """How the others are entered. Raises Refusal if they can't be from here."""
    if parameters.ranks > 1:
        raise Refusal("a ring has one rank on each host: state `ranks` or `ring`, not both")
    if not parameters.identity:
        raise Refusal("the ring's other hosts must let this one in: state `identity` for this task in the site's file")
    if shutil.which("ssh") is None:
        raise Refusal("ssh is not on this host: install OpenSSH's client")
    login = ssh.Login(
        identity=parameters.identity,
        known_hosts=parameters.known_hosts,
        user=parameters.user,
        port=parameters.port,
        patience=parameters.patience,
    )
    login.check("this host")
    return login


def _newest(context: Context) -> tuple[Artefact, ...]:
    """The newest state of the attempts that this job continues which is whole: what all ranks go on from."""
    for artefact in reversed([a for a in context.resume if a.name == states.NAME]):
        with contextlib.suppress(Refusal):
            context.input(artefact)
            return (artefact,)
    return ()


def _enter(
    context: Context, login: ssh.Login, address: str, parameters: Parameters, stack: contextlib.ExitStack
) -> Member:
    member = Member(context, login, address, parameters.python)
    stack.callback(member.close)
    hello, mine = member.hear(Hello), job.versions()
    if hello.protocol != PROTOCOL:
        raise Refusal(f"{address} speaks the ring's protocol {hello.protocol}, this host {PROTOCOL}: {_SAME}")
    for name in _EQUAL:
        if hello.versions.get(name) != mine.get(name):
            raise Refusal(f"{address} has {name} {hello.versions.get(name)}, this host {mine.get(name)}: {_SAME}")
    return member


def _alive(members: Sequence[Member], stack: contextlib.ExitStack) -> None:
    """Lets the members know that somebody is here, until the end."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(_BEAT):
            for member in members:
                member.tell(None)

    thread = threading.Thread(target=beat, daemon=True, name="to the ring")
    thread.start()
    stack.callback(over.set)


def _bring(context: Context, login: ssh.Login, member: Member, artefact: Artefact, there: Lacks) -> None:
    """Brings one input by rsync. Its digest is checked there by the rank, as a worker's inputs are."""
    path, place = context.inside(artefact.path), there.places[artefact.path]
    if not path.exists():
        raise Refusal(f"input {artefact.path} of job {artefact.job} is not on this host")
    context.log(f"{artefact.path} ({artefact.size / 1e6:,.1f} MB) goes to {member.address}")
    # What has the right size there may have other bytes: its digest said so.
    options = ["--ignore-times", "--partial", f"--rsync-path={there.rsync}"]
    slash = "/" if path.is_dir() else ""
    options += ["--recursive", "--delete"] if slash else []
    command = syncing.push(syncing.program(), login, options, f"{path}{slash}", member.address, f"{place}{slash}")
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        try:
            while process.poll() is None:
                if context.stopping:
                    raise _Asked
                if member.gone(_POLL):
                    raise Refusal(member.last or f"{member.address} ended before its time")
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        lines = said.read().decode("utf-8", "replace").strip().splitlines()
    if process.returncode:
        raise Refusal(f"{artefact.path} did not come to {member.address}: {one_line(lines[-1] if lines else 'rsync')}")


def _train(context: Context, members: Sequence[Member], hosts: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory(prefix="ranks-") as made:
        directory = Path(made)
        os.mkfifo(directory / ranks.TELLS)
        told = os.open(directory / ranks.TELLS, os.O_RDONLY | os.O_NONBLOCK)
        first = ranks.start(context.directory, directory, 0, hosts, context.threads)

        ends = math.inf

        def over() -> bool:
            # A fault that all ranks have, such as a loss that is no number, is best told by the first.
            nonlocal ends
            if any(member.gone() and member.last for member in members):
                ends = min(ends, time.monotonic() + _LAST_WORDS)
            return first.poll() is not None or time.monotonic() > ends

        try:
            end = ranks.relay(context, over, told, directory / ranks.STOPS)
        finally:
            alone = first.poll() is not None
            first.kill()
            first.wait()
            os.close(told)
    if end is not None and end.outcome != "failed":
        ranks.conclude(context, end)
        return
    reasons = [end.reason] if end else []
    reasons += _last_words(members)
    if alone and end is None:
        reasons.append(f"the first rank ended without a word, exit status {first.returncode}")
    reason = next((reason for reason in reasons if _LOST not in reason), reasons[0])
    if _LOST in reason and "connect (" in reason:
        reason += f"; each must reach the next one: {', '.join(host for (host,) in hosts)}"
    raise Refusal(reason)


def _last_words(members: Sequence[Member]) -> Iterator[str]:
    """Why each member ended, those that had to be ended left out."""
    for member in members:
        if member.gone(_LAST_WORDS) and member.last:
            yield member.last
