"""A training on several ranks: processes that take each step together, started by MLX's own launcher on its ring.

The job's worker starts ``mlx.launch`` and relays what the first rank tells; each rank (`ranked`) reads
the job as a worker does. All ranks are processes of this host: to start some on others over SSH every input would have
to be there first, which nothing does yet.
"""

from __future__ import annotations

import contextlib
import os
import random
import selectors
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from operations import events
from operations.contract import Context, Refusal
from operations.lines import WholeLines

TELLS, STOPS, HOSTS = "tells", "stops", "hosts.json"
"""In a directory of the ranks: the first one's events, what asks them to end, and who they are."""
LAUNCHER = (
    "import importlib.metadata as found\n"
    "(entry,) = found.entry_points(group='console_scripts', name='mlx.launch')\n"
    "entry.load()()"
)
_POLL = 0.2
_PORTS = range(20_000, 32_000)


def launch(context: Context, count: int) -> None:
    """Runs the job on ``count`` ranks of this host to its end. Raises Refusal with the reason if they fail."""
    with tempfile.TemporaryDirectory(prefix="ranks-") as made:
        directory = Path(made)
        hosts = [{"ssh": "127.0.0.1", "ips": ["127.0.0.1"]}] * count
        (directory / HOSTS).write_bytes(msgspec.json.encode(hosts))
        os.mkfifo(directory / TELLS)
        told = os.open(directory / TELLS, os.O_RDONLY | os.O_NONBLOCK)
        context.log(f"{count} ranks of this host on MLX's ring")
        command = [sys.executable, "-P", "-c", LAUNCHER, "--backend", "ring", "--hostfile", str(directory / HOSTS)]
        command += ["--starting-port", str(_free_ports(count)), "--", sys.executable, "-P", "-m"]
        command += ["operations.model.learning.ranked", str(context.directory), made]
        # A launcher whose input has ended turns in circles: it is kept open, and its end is the ranks' too.
        launcher = subprocess.Popen(command, stdin=subprocess.PIPE, env=_environment(context.threads, count))
        try:
            end = _relayed(context, launcher, told, directory / STOPS)
        finally:
            launcher.kill()
            launcher.wait()
            os.close(told)
    if end is None:
        raise Refusal(f"a rank ended without a word; the launcher's exit status is {launcher.returncode}")
    if end.outcome == "failed":
        raise Refusal(end.reason)
    if end.outcome == "stopped":
        context.stopped(end.reason)


def _relayed(context: Context, launcher: subprocess.Popen[bytes], told: int, stops: Path) -> events.Finished | None:
    """Passes the first rank's events on until the launcher ends, and returns the last of them."""
    lines, end = WholeLines(), None
    with selectors.DefaultSelector() as selector:
        selector.register(told, selectors.EVENT_READ)
        over = False
        while not over:
            if context.stopping and not stops.exists():
                stops.touch()
            over = launcher.poll() is not None
            for event in _read(selector, told, lines):
                if isinstance(event, events.Finished):
                    end = end or event
                else:
                    context.relay(event)
    return end


def _read(selector: selectors.BaseSelector, told: int, lines: WholeLines) -> Iterator[events.Event]:
    if not selector.select(_POLL):
        return
    with contextlib.suppress(BlockingIOError):
        while data := os.read(told, 65_536):
            yield from events.decode_lines(line for line in lines.feed(data) if line is not None)


def _environment(threads: int, count: int) -> dict[str, str]:
    """This one, with a rank's part of the threads: with all of them each, ranks would only wait for each other."""
    each = str(max(1, (threads or os.cpu_count() or 1) // count))
    return {**os.environ, "OPENBLAS_NUM_THREADS": each, "OMP_NUM_THREADS": each}


def _free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens at. Raises Refusal if none are found."""
    for _ in range(50):
        first = random.randrange(_PORTS.start, _PORTS.stop - count)  # noqa: S311 - any free place will do
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise Refusal(f"no {count} free ports in a row for the ranks")
