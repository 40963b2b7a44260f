"""Runs one job: starts the worker, writes all that it says to ``events.jsonl``, and has the last word.

It imports no MLX and holds the directory's lock, which the worker inherits: the lock is free only when both are gone.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

import msgspec

from operations import events, job
from operations.contract import Level, Refusal
from operations.history import NO_SPACE, DiskFull, History
from operations.host.readings import Sampler
from operations.lines import TextLines, WholeLines, described, one_line

DONE, FAILED, USAGE, STOPPED, NOT_STARTED = 0, 1, 2, 3, 4
"""Exit statuses of ``run``; NOT_STARTED where the job runs already or has run."""
READY = b"started\n"
"""What a launcher reads from standard output once the job is the supervisor's."""

_POLL = 0.2
_OFTEN, _SELDOM, _OFTEN_FOR = 1.0, 10.0, 600.0
_CHUNK = 65_536
_LOCK_TRIES = 40


class _Taken(Exception):
    """Another supervisor has, or had, the job."""


def run(directory: Path, *, launched: bool = False) -> int:
    """Runs the job in ``directory`` to its end and returns an exit status.

    ``launched`` says that one line of JSON with the job's secrets comes on standard input, that READY is waited for on
    standard output, and that the three descriptors are to be let go of afterwards.
    """
    if not directory.is_dir():
        print(f"{directory} is no job's directory", file=sys.stderr)
        return USAGE
    directory = directory.resolve()
    with _Signals() as signals:
        return _run(directory, launched, signals)


def _run(directory: Path, launched: bool, signals: _Signals) -> int:
    given = b"{}\n"
    try:
        lock = _lock(directory)
        if launched and not (given := sys.stdin.buffer.readline()).endswith(b"\n"):
            print(f"{directory.name}: whoever launched it went away", file=sys.stderr)
            return NOT_STARTED
        history = History(directory)
    except (_Taken, FileExistsError):
        print(f"{directory.name} runs already, or has run", file=sys.stderr)
        return NOT_STARTED
    except OSError as error:
        print(f"{directory.name} can't start: {error}", file=sys.stderr)
        return FAILED
    if launched:
        with contextlib.suppress(OSError):
            os.write(1, READY)
        _let_go()
    started = time.monotonic()
    try:
        history.hold_reserve()
        end = _Supervision(directory, history, job.read(directory), lock, signals).run(given)
    except Refusal as refusal:
        end = events.Finished(t=time.time(), outcome="failed", reason=one_line(str(refusal)))
    except DiskFull:
        end = events.Finished(t=time.time(), outcome="failed", reason=NO_SPACE)
    except Exception as error:
        end = events.Finished(t=time.time(), outcome="failed", reason=f"supervisor: {described(error)}")
    try:
        history.finish(msgspec.structs.replace(end, t=time.time(), seconds=round(time.monotonic() - started, 3)))
    except OSError as error:
        print(f"{directory.name}: its last event can't be written: {error}", file=sys.stderr)
        return FAILED
    return {"done": DONE, "stopped": STOPPED}.get(end.outcome, FAILED)


def _lock(directory: Path) -> int:
    descriptor = os.open(directory / job.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        # Someone who only looks holds it for a moment, another supervisor for good.
        time.sleep(0.01)
    raise _Taken


def _let_go() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


class _Read(enum.Enum):
    SOME = enum.auto()
    NOTHING = enum.auto()
    END = enum.auto()


class _Supervision:
    def __init__(self, directory: Path, history: History, job_file: job.JobFile, lock: int, signals: _Signals) -> None:
        self._directory = directory
        self._history = history
        self._job = job_file
        self._lock = lock
        self._signals = signals
        self._sampler = Sampler(directory)
        self._torn_reading = False
        self._stopping = False
        self._killed = False
        self._said: events.Finished | None = None
        self._lines = WholeLines()
        self._texts: dict[int, TextLines] = {}

    def run(self, given: bytes) -> events.Finished:
        """The job's last event. Raises DiskFull once the worker is gone."""
        out_of_memory = _out_of_memory_kills()
        with selectors.DefaultSelector() as selector:
            worker, told, lifeline = self._start(given)
            try:
                assert worker.stdout is not None
                assert worker.stderr is not None
                for stream in (told, worker.stdout.fileno(), worker.stderr.fileno()):
                    os.set_blocking(stream, False)
                    selector.register(stream, selectors.EVENT_READ)
                    if stream != told:
                        self._texts[stream] = TextLines()
                selector.register(self._signals.wake, selectors.EVENT_READ)
                self._follow(worker, selector)
                self._end_group(worker)
                for stream in (told, *self._texts):
                    while self._take(stream) is _Read.SOME:
                        pass
                for texts in self._texts.values():
                    self._log(texts.close())
            finally:
                if worker.poll() is None:
                    self._end_group(worker)
                    worker.wait()
                os.close(lifeline)
                self._sampler.close()
        return self._verdict(worker.returncode, _out_of_memory_kills() > out_of_memory)

    def _start(self, given: bytes) -> tuple[subprocess.Popen[bytes], int, int]:
        told, tell = os.pipe()
        watched, lifeline = os.pipe()
        descriptors = (tell, watched, self._lock)
        try:
            worker = subprocess.Popen(
                [sys.executable, "-P", "-m", "operations", "work", str(self._directory), *map(str, descriptors)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=descriptors,
                process_group=0,
                cwd=self._directory,
                env=_environment(self._job.threads),
            )
        finally:
            os.close(tell)
            os.close(watched)
        assert worker.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.stdin.write(given)
            worker.stdin.close()
        return worker, told, lifeline

    def _follow(self, worker: subprocess.Popen[bytes], selector: selectors.BaseSelector) -> None:
        """Until the worker's exit: takes what it says, passes a stop on, samples the host."""
        began = next_sample = time.monotonic()
        while worker.poll() is None:
            for key, _ in selector.select(_POLL):
                if key.fd == self._signals.wake:
                    self._signals.clear()
                elif self._take(key.fd) is _Read.END:
                    selector.unregister(key.fd)
            self._pass_stop_on(worker)
            now = time.monotonic()
            if now >= next_sample:
                # Readings are worth less than the job: whatever keeps them from being taken fails nothing.
                with contextlib.suppress(Exception):
                    self._sample()
                next_sample = now + (_OFTEN if now - began < _OFTEN_FOR else _SELDOM)

    def _sample(self) -> None:
        line = (b"\n" if self._torn_reading else b"") + msgspec.json.encode(self._sampler.sample()) + b"\n"
        with (self._directory / job.READINGS).open("ab", buffering=0) as readings:
            self._torn_reading = readings.write(line) < len(line)

    def _pass_stop_on(self, worker: subprocess.Popen[bytes]) -> None:
        if not self._killed and (self._directory / job.KILL).exists():
            self._killed = True
            self._log(["killed on request"], "warning")
            self._end_group(worker)
        if self._stopping or not (self._signals.stop or (self._directory / job.STOP).exists()):
            return
        self._stopping = True
        self._log(["asked to stop"])
        worker.send_signal(signal.SIGTERM)

    def _take(self, stream: int) -> _Read:
        """Takes what is there to read."""
        try:
            data = os.read(stream, _CHUNK)
        except BlockingIOError:
            return _Read.NOTHING
        if not data:
            return _Read.END
        if stream in self._texts:
            self._log(self._texts[stream].feed(data, time.monotonic()))
        else:
            for line in self._lines.feed(data):
                self._event(line)
        return _Read.SOME

    def _event(self, line: bytes | None) -> None:
        if line is None:
            self._log([f"the worker said more than {events.LINE_LIMIT} bytes at once"], "error")
            return
        try:
            event = events.decode(line)
            if isinstance(event, events.Finished):
                self._said = event
            else:
                self._history.append(event)
        except ValueError as error:  # a msgspec.DecodeError is one, and so is an event too long when written anew
            self._log([f"the worker said what is no event: {error}"], "error")

    def _log(self, texts: list[str], level: Level = "info") -> None:
        for text in texts:
            self._history.append(events.Log(t=time.time(), text=text, level=level))

    def _end_group(self, worker: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)

    def _verdict(self, status: int, out_of_memory: bool) -> events.Finished:
        now = time.time()
        said = self._said
        if status < 0:
            name = _signal_name(-status)
            if -status == signal.SIGKILL and self._killed:
                return events.Finished(t=now, outcome="stopped", reason="killed on request", signal=name)
            if -status == signal.SIGTERM and self._stopping:
                return events.Finished(t=now, outcome="stopped", reason="stopped before it had begun", signal=name)
            reason = f"the worker was ended by {name}"
            if -status == signal.SIGKILL and out_of_memory:
                reason = "the worker was killed (out of memory?)"
            return events.Finished(t=now, outcome="failed", reason=reason, signal=name)
        if said is None:
            reason = f"the worker ended with exit status {status} and no last word"
            return events.Finished(t=now, outcome="failed", reason=reason, exit_status=status)
        return msgspec.structs.replace(said, t=now, exit_status=status)


class _Signals:
    """SIGTERM and SIGINT ask to stop, SIGHUP means nothing; ``wake`` has something to read after each signal."""

    def __init__(self) -> None:
        self.stop = False
        self.wake, self._woken = os.pipe()
        for descriptor in (self.wake, self._woken):
            os.set_blocking(descriptor, False)

    def __enter__(self) -> _Signals:
        handlers: dict[int, signal._HANDLER] = {
            signal.SIGTERM: self._ask_to_stop,
            signal.SIGINT: self._ask_to_stop,
            signal.SIGHUP: signal.SIG_IGN,
            signal.SIGCHLD: lambda _number, _frame: None,
        }
        self._before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        self._previous = signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._previous)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self.wake)
        os.close(self._woken)

    def clear(self) -> None:
        """Takes what woke it."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.wake, 512)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _environment(threads: int) -> dict[str, str]:
    """The worker's: offline, and no more threads than the job may use."""
    found = dict(os.environ)
    found.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false", PYTHONFAULTHANDLER="1")
    if threads:
        found.update(OPENBLAS_NUM_THREADS=str(threads), OMP_NUM_THREADS=str(threads))
    return found


def _out_of_memory_kills() -> int:
    """How often the kernel has killed for want of memory since it started; 0 where it does not say."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
