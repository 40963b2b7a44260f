"""``network.transfer`` by rsync over SSH: the source pushes into the sink's part, the sink hashes what is there then.

Both ends stay connected under the run's token meanwhile: the sink tells how much it has, the source that it goes on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from operations.contract import Refusal
from operations.host.tools import output
from operations.network import ssh
from operations.network.partial import Partial
from operations.network.passing import Entry, Offer, Passing, Ready
from operations.network.peer import Peer
from operations.network.taking import place

if TYPE_CHECKING:
    from operations.network.transfer import Parameters

OLDEST = (3, 1)
_VERSION = re.compile(r"^rsync +version v?(\d{1,3})\.(\d{1,3})", re.MULTILINE)
_INSTALL = f"install rsync {OLDEST[0]}.{OLDEST[1]} or later there, or let the bytes go raw (via)"
_LOOK = 0.25
_ENDS = 5.0


class Came(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sink to source: so many bytes are here."""

    size: int


class Going(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Source to sink, in answer: whether rsync has ended, and what was wrong."""

    ended: bool
    fault: str = ""


def program() -> str:
    """Where rsync is on this host. Raises Refusal if there is none, or one that can't go on with a part."""
    path = shutil.which("rsync")
    if path is None:
        raise Refusal(f"rsync is not on this host: {_INSTALL}")
    try:
        found = _VERSION.search(output((path, "--version")))
    except ValueError as error:
        raise Refusal(f"rsync can't be asked for its version: {error}") from None
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        told = f"{found[1]}.{found[2]}" if found else "another program of that name"
        raise Refusal(f"rsync on this host is {told}: {_INSTALL}")
    return path


def ready(parameters: Parameters) -> None:
    """Whether the source can begin. Raises Refusal."""
    program()
    if not parameters.identity:
        raise Refusal(
            "rsync needs an identity with which the source may log in to the sink, and nobody relays for a job that "
            "no console started: state `identity`, or let the bytes go raw (via)"
        )
    login(parameters).check("the source's host")


def login(parameters: Parameters) -> ssh.Login:
    """How the source enters the sink."""
    return ssh.Login(
        identity=parameters.identity,
        known_hosts=parameters.known_hosts,
        user=parameters.user,
        port=parameters.port,
        patience=parameters.patience,
    )


def arguments(rsync: str, parameters: Parameters, there: Ready, path: Path, *, directory: bool) -> list[str]:
    """The argument list that pushes ``path`` into the sink's part."""
    kind = ("--recursive", "--delete") if directory else ()
    return push(
        rsync,
        login(parameters),
        (*("--append-verify", f"--rsync-path={there.rsync}"), *kind),
        f"{path}/" if directory else str(path),
        parameters.endpoint_address,
        f"{there.place}/" if directory else there.place,
    )


def push(rsync: str, login: ssh.Login, options: Sequence[str], source: str, address: str, place: str) -> list[str]:
    """The argument list that pushes ``source`` to ``place`` at an address; a slash at both ends for a directory."""
    host = f"[{address}]" if ":" in address else address
    return [
        *(rsync, "--protect-args", f"--timeout={login.seconds}", *options),
        *("--rsh", " ".join(map(_word, login.arguments())), "--", source, f"{host}:{place}"),
    ]


def give(peer: Peer, parameters: Parameters, there: Ready, path: Path, passing: Passing, *, directory: bool) -> None:
    """Lets rsync bring it. Raises Refusal with the reason if it can't."""
    with tempfile.TemporaryFile() as said:
        passing.skip(peer.hear(Came).size)
        command = arguments(program(), parameters, there, path, directory=directory)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        try:
            while True:
                ended = process.poll() is not None
                size = peer.hear(Came).size
                passing.count(size - passing.size)
                if ended:
                    break
                peer.tell(Going(ended=False))
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(_ENDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        said.seek(0)
        lines = [line.strip() for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    fault = explain(lines, parameters) if process.returncode else ""
    peer.tell(Going(ended=True, fault=fault))
    if fault:
        raise Refusal(fault)


def explain(said: Sequence[str], parameters: Parameters) -> str:
    """What rsync and ssh said at their end, in one line that says what to do."""
    fault, known = ssh.fault(said), parameters.known_hosts
    sink = f"{parameters.endpoint_address} port {parameters.port}"
    if fault == "changed":
        return f"THE HOST KEY OF THE SINK {sink} HAS CHANGED: {known} on the source has another; nothing was sent"
    if fault == "unknown":
        return f"the sink's host key at {sink} is unknown: compare it there, then add it to {known} on the source"
    if fault == "refused":
        user = f" for {parameters.user}" if parameters.user else ""
        return f"the sink {sink} does not let {parameters.identity} in{user}: add its .pub to authorized_keys there"
    told = next((line for line in said if line.startswith(("ssh:", "rsync: [")) and "connection unexp" not in line), "")
    return f"rsync ended: {told or (said[-1] if said else 'it did not say why')}"


def take(peer: Peer, part: Partial, offer: Offer, passing: Passing) -> tuple[list[Entry], dict[str, str]]:
    """Waits until rsync has brought it all, then hashes it: the files, and the digest of each by name.

    Raises Refusal if it ended before; the part stays to be taken up.
    """
    files = [peer.hear(Entry) for _ in range(offer.files)]
    paths = {entry.path: place(part.data, entry.path, offer.directory) for entry in files}
    if offer.directory:
        part.data.mkdir(exist_ok=True)
    for entry in files:
        if _size(paths[entry.path]) > entry.size:  # rsync only ever appends
            os.truncate(paths[entry.path], entry.size)
    passing.skip(sum(map(_size, paths.values())))
    peer.tell(Came(passing.size))
    part.tell()
    while True:
        size = min(offer.size, sum(map(_size, paths.values())))
        passing.count(size - passing.size)
        peer.tell(Came(size))
        going = peer.hear(Going)
        if going.ended:
            break
        time.sleep(_LOOK)
    if going.fault:
        raise Refusal(f"the source: {going.fault}")
    digests: dict[str, str] = {}
    for entry in files:
        if _size(paths[entry.path]) != entry.size:
            raise Refusal(f"{entry.path or part.name} has {_size(paths[entry.path])} bytes, {entry.size} were to come")
        digests[entry.path] = part.read(entry.path, entry.size, lambda _: peer.still())
        passing.came.append(entry.path)
    return files, digests


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _word(text: str) -> str:
    """As rsync reads a word of its remote shell: in quotes, a quote twice, where a blank or a quote is in it."""
    return f"'{text.replace(chr(39), chr(39) * 2)}'" if re.search(r"[\s'\"]", text) else text
