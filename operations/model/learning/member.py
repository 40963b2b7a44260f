"""A rank's keeper on another host of the ring: ``python -P -m operations.model.learning.member``, started over SSH.

It says what it is, takes the job, says which inputs are not here with their digests, and once they have come starts the
rank (`ranked`). Messages are JSON, one a line, on standard input and output. It ends with all that it started as soon
as its input ends or is silent: nobody then hears the rank. Whatever the job needs lies under ``ring/`` in the host's
root, which is the program's own: a directory there is made equal to what is sent.
"""

from __future__ import annotations

import fcntl
import os
import queue
import select
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from operations import events, job, registry
from operations.context import JobContext, Teller
from operations.contract import Artefact, Refusal
from operations.files import write_atomic
from operations.lines import described, one_line
from operations.model.learning import ranks
from operations.network import syncing

PROTOCOL = 1
STAGED = "ring"
"""Under the host's root: inputs and jobs of rings that began elsewhere."""
_FIRST_WORD = 60.0


class Hello(msgspec.Struct, frozen=True, tag="ring-hello"):
    """The member's first word, which every protocol can read."""

    protocol: int
    versions: dict[str, str]


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """The job, and which inputs it reads. The root is the host's; the address is the member's own in the ring.

    ``patience`` is how many seconds of silence the member takes for the end.
    """

    root: str
    address: str
    patience: float
    job: job.JobFile
    inputs: tuple[Artefact, ...]


class Lacks(msgspec.Struct, frozen=True, tag="lacks"):
    """Where each input that is not here belongs, by its path; the port that the rank will listen at."""

    port: int
    rsync: str
    places: dict[str, str]


class Go(msgspec.Struct, frozen=True, tag="go"):
    """All is here: the rank begins. ``hosts`` is the ring as MLX reads it."""

    rank: int
    hosts: list[list[str]]


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """The member's last word; an empty reason is no failure."""

    reason: str = ""


Word = TypeVar("Word", Begin, Go)


class _Link:
    """The line to the host that began the job. Its thread ends this process, and the rank, once nobody is there."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)  # whatever else is printed is no message
        self._heard: queue.SimpleQueue[Begin | Go] = queue.SimpleQueue()
        self.patience = _FIRST_WORD
        self.rank: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self._listen, daemon=True, name="lifeline").start()

    def tell(self, message: Hello | Lacks | Ended) -> None:
        line = memoryview(msgspec.json.encode(message) + b"\n")
        while line:
            line = line[os.write(self._out, line) :]

    def hear(self, kind: type[Word]) -> Word:
        word = self._heard.get()
        if not isinstance(word, kind):
            raise Refusal(f"{type(word).__name__} came out of turn")
        return word

    def _listen(self) -> None:
        rest = b""
        try:
            while select.select([0], [], [], self.patience)[0] and (data := os.read(0, 65_536)):
                *lines, rest = (rest + data).split(b"\n")
                for line in filter(None, lines):  # an empty one only says that somebody is there
                    self._heard.put(msgspec.json.decode(line, type=Begin | Go))
        finally:
            if self.rank is not None:
                self.rank.kill()
            os._exit(1)


def main() -> NoReturn:
    """Keeps one rank to its end and ends the process."""
    link = _Link()
    try:
        link.tell(Hello(PROTOCOL, job.versions()))
        reason = _keep(link)
    except Refusal as refusal:
        reason = one_line(str(refusal))
    except Exception as error:
        reason = described(error)
    link.tell(Ended(reason))
    os._exit(1 if reason else 0)


def _keep(link: _Link) -> str:
    """Why the rank failed; empty if it did not."""
    begin = link.hear(Begin)
    link.patience = begin.patience
    home = Path(begin.root).expanduser().resolve()
    if not home.is_dir():
        raise Refusal(f"{home} is no directory there: make it, or state `root` for this task in the site's file")
    root = home / STAGED
    directory = job.directory_of(root, begin.job.id)
    directory.mkdir(parents=True, exist_ok=True)
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refusal(f"another rank is at work there in {root}: end its job first") from None
        places = _places(directory, begin)
        link.tell(Lacks(ranks.free_ports(1, begin.address), syncing.program() if places else "", places))
        go = link.hear(Go)
        write_atomic(directory / job.JOB, job.encode(begin.job))
        return _run(link, directory, begin.job.threads, go)


def _places(directory: Path, begin: Begin) -> dict[str, str]:
    """Where what is not here, or not with its digest, is to be put. What earlier jobs brought makes room."""
    root = directory.parent.parent
    kept = [root / artefact.path for artefact in begin.inputs]
    for old in root.glob(f"jobs/*/{job.ARTEFACTS}/*"):
        if not any(path.is_relative_to(old) for path in kept):
            shutil.rmtree(old, ignore_errors=True)
    nobody = Teller(os.open(os.devnull, os.O_WRONLY))
    context = JobContext(directory, begin.job, registry.find(begin.job.operation), nobody, threading.Event(), {})
    found = {}
    for artefact in begin.inputs:
        try:
            context.input(artefact)
        except Refusal:
            path = context.inside(artefact.path)
            path.parent.mkdir(parents=True, exist_ok=True)
            found[artefact.path] = str(path)
    return found


def _run(link: _Link, directory: Path, threads: int, go: Go) -> str:
    with tempfile.TemporaryDirectory(prefix="rank-") as made:
        os.mkfifo(Path(made) / ranks.TELLS)
        told = os.open(Path(made) / ranks.TELLS, os.O_RDONLY | os.O_NONBLOCK)
        rank = link.rank = ranks.start(directory, Path(made), go.rank, go.hosts, threads)
        end: events.Finished | None = None
        for event in ranks.follow(told, lambda: rank.poll() is not None):
            end = event if isinstance(event, events.Finished) else end
        if end is not None and end.outcome == "failed":
            return end.reason
        return f"the rank ended without a word, exit status {rank.returncode}" if rank.returncode else ""


if __name__ == "__main__":
    main()
