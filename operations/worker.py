"""The process that carries out one job's operation and tells its supervisor, over a pipe, all that happens."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from operations import blas, events, job, registry
from operations.context import JobContext, Teller
from operations.contract import Operation, Refusal
from operations.history import NO_SPACE, is_full
from operations.lines import cut, described, one_line


def work(directory: Path, tell: int, lifeline: int, lock: int) -> NoReturn:
    """Carries the job out and ends the process: with 0 if it is done or stopped, 1 if it failed.

    ``tell`` is where events go; ``lifeline`` ends when the supervisor does; ``lock`` is kept open, never used.
    """
    teller = Teller(tell)
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: asked.set())
    for descriptor in (tell, lifeline, lock):
        os.set_inheritable(descriptor, False)
    threading.Thread(target=_watch, args=(lifeline,), daemon=True, name="lifeline").start()
    secrets = _secrets()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        _carry_out(directory, teller, asked, secrets)
        end = teller.end
    except Refusal as refusal:
        end = _failed(one_line(str(refusal)))
    except Exception as error:
        full = isinstance(error, OSError) and is_full(error)
        for line in traceback.format_exc().splitlines():
            teller.tell(events.Log(t=time.time(), text=cut(line), level="error"))
        end = _failed(NO_SPACE if full else described(error))
    sys.stdout.flush()
    sys.stderr.flush()
    teller.tell(end)
    # All is said: a library's thread or its taking itself apart must not hold up or spoil the end.
    os._exit(1 if end.outcome == "failed" else 0)


def _watch(lifeline: int) -> None:
    # Nothing is ever written to it: it is readable when the supervisor is gone, and then no orphan may write on.
    os.read(lifeline, 1)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _secrets() -> dict[str, str]:
    line = sys.stdin.buffer.readline()
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    try:
        return msgspec.json.decode(line or b"{}", type=dict[str, str])
    except msgspec.DecodeError:
        raise SystemExit("the secrets on standard input are no JSON object of texts") from None


def _carry_out(directory: Path, teller: Teller, asked: threading.Event, secrets: dict[str, str]) -> None:
    job_file = job.read(directory)
    try:
        operation = registry.find(job_file.operation)
    except KeyError:
        raise Refusal(f"this host knows no operation {job_file.operation!r}") from None
    parameters = _parameters(operation, job_file)
    blas.preload()
    context = JobContext(directory.resolve(), job_file, operation, teller, asked, secrets)
    operation.run(context, parameters)


def _parameters(operation: Operation, job_file: job.JobFile) -> Any:
    given = dict(job_file.parameters)
    takes_role = "role" in operation.parameters.__struct_fields__
    if takes_role and given.setdefault("role", job_file.role) != job_file.role:
        raise Refusal(f"the job's role is {job_file.role!r}, its parameter says {given['role']!r}")
    try:
        return msgspec.convert(given, operation.parameters)
    except msgspec.ValidationError as error:
        raise Refusal(f"parameters of {operation.name}: {error}") from None


def _failed(reason: str) -> events.Finished:
    return events.Finished(t=time.time(), outcome="failed", reason=reason)
