"""The host's side of the channel: launches, follows and stops jobs for one console.

It reads frames on standard input, answers on standard output and ends when its input ends; the jobs go on. One thread
waits for everything at once; with nothing to follow it sleeps until it is asked.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from operations import job, supervisor, wire
from operations.contract import Refusal
from operations.host.readings import Sampler
from operations.lines import described, one_line

_POLL = 0.1  # seconds between two looks at a followed file that has not grown
_LOCK_LOOK = 0.5  # seconds between two looks at the lock of a job that says nothing
_OUTBOX = 4 * wire.BODY
_SECRETS_LIMIT = 32_768
_FILES: Mapping[wire.FollowedFile, str] = {"events": job.EVENTS, "readings": job.READINGS}


def serve(root: Path) -> int:
    """Serves until standard input ends; 2 if what came there was not this protocol."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"{root} can't be this host's root: {error.strerror}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever else prints in this process must not end up between two frames.
    incoming, outgoing = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return _Agent(root.resolve(), incoming, outgoing).run()


@dataclass(slots=True)
class _Followed:
    job: str
    file: wire.FollowedFile
    directory: Path
    offset: int
    on: bool
    looked: float = 0.0

    @property
    def path(self) -> Path:
        return self.directory / _FILES[self.file]


@dataclass(slots=True)
class _Launching:
    request: int
    job: str
    process: subprocess.Popen[bytes]
    until: float
    said: bytearray = field(default_factory=bytearray)


class _Agent:
    def __init__(self, root: Path, incoming: int, outgoing: int) -> None:
        self._root = root
        self._in, self._out = incoming, outgoing
        self._parser = wire.Parser()
        self._greeted = False
        self._outbox: deque[memoryview] = deque()
        self._followed: dict[tuple[str, wire.FollowedFile], _Followed] = {}
        self._launching: dict[int, _Launching] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        self._sampler = Sampler(root)
        self._interval = 0.0
        self._next_sample = 0.0
        self._selector = selectors.PollSelector()

    def run(self) -> int:
        os.set_blocking(self._out, False)
        self._selector.register(self._in, selectors.EVENT_READ)
        self._outbox.append(memoryview(wire.MAGIC))
        self._send(wire.Hello(protocol=wire.PROTOCOL, versions=job.versions()))
        behind = False
        try:
            while True:
                self._want_to_write(bool(self._outbox))
                for key, _ in self._selector.select(self._patience(behind)):
                    if key.fd == self._in:
                        data = os.read(self._in, wire.BODY)
                        if not data:
                            return 0
                        for frame in self._parser.feed(data):
                            self._receive(frame)
                    elif key.fd in self._launching:
                        self._launch_said(key.fd)
                self._flush()
                self._give_up_launches()
                behind = self._follow_all()
                self._sample()
                self._children = [child for child in self._children if child.poll() is None]
        except wire.WireError as error:
            self._send(wire.Failed(id=0, reason=str(error)))
            os.set_blocking(self._out, True)
            with contextlib.suppress(BrokenPipeError):
                self._flush()
            return 2
        except BrokenPipeError:
            return 0
        finally:
            self._sampler.close()

    def _patience(self, behind: bool) -> float | None:
        """How long nothing needs to be done unless something comes."""
        if behind and self._room():
            return 0.0
        now = time.monotonic()
        waits = [max(0.0, launching.until - now) for launching in self._launching.values()]
        if self._followed and self._room():
            waits.append(_POLL)
        if self._interval:
            waits.append(max(0.0, self._next_sample - now))
        return min(waits, default=None)

    # What goes out

    def _send(self, message: wire.Message, body: bytes = b"") -> None:
        self._outbox.append(memoryview(wire.encode(message, body)))

    def _room(self) -> bool:
        return sum(map(len, self._outbox)) < _OUTBOX

    def _flush(self) -> None:
        while self._outbox:
            try:
                sent = os.write(self._out, self._outbox[0])
            except BlockingIOError:
                return
            if sent == len(self._outbox[0]):
                self._outbox.popleft()
            else:
                self._outbox[0] = self._outbox[0][sent:]

    def _want_to_write(self, wanted: bool) -> None:
        registered = self._out in self._selector.get_map()
        if wanted and not registered:
            self._selector.register(self._out, selectors.EVENT_WRITE)
        elif registered and not wanted:
            self._selector.unregister(self._out)

    # What comes in

    def _receive(self, frame: wire.Frame) -> None:
        message = frame.message
        if not self._greeted:
            if not isinstance(message, wire.Hello):
                raise wire.WireError("the console did not begin with hello")
            if message.protocol != wire.PROTOCOL:
                raise wire.WireError(f"console speaks protocol {message.protocol}, this host {wire.PROTOCOL}")
            self._greeted = True
            return
        if not isinstance(message, wire.Request):
            raise wire.WireError(f"{type(message).__name__} is nothing to ask an agent")
        try:
            answered = self._answer(message)
        except Refusal as refusal:
            answered = wire.Failed(id=message.id, reason=one_line(str(refusal)))
        except Exception as error:
            answered = wire.Failed(id=message.id, reason=described(error))
        if answered is not None:
            self._send(answered)

    def _answer(self, request: wire.Request) -> wire.Message | None:
        """The answer; None where it comes later."""
        match request:
            case wire.Launch():
                return self._launch(request)
            case wire.Probe():
                return wire.State(id=request.id, state=job.state(job.directory_of(self._root, request.job)))
            case wire.Stop():
                (self._existing(request.job) / (job.KILL if request.kill else job.STOP)).touch()
            case wire.Follow():
                self._follow(request)
            case wire.Unfollow():
                self._followed.pop((request.job, request.file), None)
            case wire.Readings():
                self._interval = max(0.2, request.interval) if request.interval > 0 else 0.0
                self._next_sample = time.monotonic()
                if not self._interval:
                    self._sampler.close()
            case wire.Ping():
                pass
        return wire.Done(id=request.id)

    def _existing(self, name: str) -> Path:
        directory = job.directory_of(self._root, name)
        if not directory.is_dir():
            raise Refusal(f"job {name} is not on this host")
        return directory

    # Launching

    def _launch(self, request: wire.Launch) -> wire.Message | None:
        secrets = msgspec.json.encode(request.secrets) + b"\n"
        if len(secrets) > _SECRETS_LIMIT:
            raise Refusal(f"secrets of {len(secrets)} bytes, at most {_SECRETS_LIMIT} are taken")
        try:
            directory = job.claim(self._root, request.job)
        except job.AlreadyClaimed:
            directory = job.directory_of(self._root, request.job.id)
            if job.locked(directory) or (directory / job.EVENTS).exists():
                return wire.Done(id=request.id)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "operations", "run", str(directory), "--launched"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(secrets)
            process.stdin.close()
        self._launching[process.stdout.fileno()] = _Launching(
            request.id, request.job.id, process, time.monotonic() + job.LAUNCH_SECONDS
        )
        self._selector.register(process.stdout.fileno(), selectors.EVENT_READ)
        return None

    def _launch_said(self, descriptor: int) -> None:
        launching = self._launching[descriptor]
        data = os.read(descriptor, 4_096)
        launching.said += data[: 4_096 - len(launching.said)]
        if supervisor.READY in launching.said:
            self._launched(descriptor, "")
        elif not data:
            status = launching.process.wait()
            said = launching.said.decode("utf-8", "replace").strip().splitlines()
            reason = said[-1] if said else f"the supervisor ended with status {status} before it began"
            self._launched(descriptor, "" if status == supervisor.NOT_STARTED else reason)

    def _give_up_launches(self) -> None:
        now = time.monotonic()
        for descriptor, launching in list(self._launching.items()):
            if now >= launching.until:
                launching.process.kill()
                self._launched(
                    descriptor, f"the supervisor did not begin within {job.LAUNCH_SECONDS:.0f} s and was killed"
                )

    def _launched(self, descriptor: int, fault: str) -> None:
        launching = self._launching.pop(descriptor)
        self._selector.unregister(descriptor)
        assert launching.process.stdout is not None
        launching.process.stdout.close()
        self._children.append(launching.process)
        self._send(
            wire.Failed(id=launching.request, reason=fault) if fault else wire.Done(id=launching.request),
        )

    # Following

    def _follow(self, request: wire.Follow) -> None:
        directory = self._existing(request.job)
        size = _size(directory / _FILES[request.file])
        if not 0 <= request.offset <= size:
            raise Refusal(f"job {request.job} has {size} bytes of {request.file}, asked for from {request.offset}")
        followed = _Followed(request.job, request.file, directory, request.offset, request.on)
        self._followed[request.job, request.file] = followed

    def _follow_all(self) -> bool:
        """Gives each followed file its turn, one frame at most; True if there was something for any."""
        found = False
        for key in list(self._followed):
            if not self._room():
                return True
            followed = self._followed.pop(key)
            offset = followed.offset
            try:
                over = self._turn(followed)
            except OSError as error:
                self._send(wire.Ended(job=followed.job, state="dead", fault=described(error), file=followed.file))
                continue
            found = found or followed.offset > offset
            if not over:
                self._followed[key] = followed  # behind all others: its next turn is after theirs
        return found

    def _turn(self, followed: _Followed) -> bool:
        """Sends some of what is new; True if there is nothing new and no more is to be waited for."""
        data = _read_at(followed.path, followed.offset)
        if data:
            self._send(wire.Data(job=followed.job, offset=followed.offset, file=followed.file), data)
            followed.offset += len(data)
        elif (ended := self._ended(followed)) is not None:
            self._send(wire.Ended(job=followed.job, state=ended, file=followed.file))
            return True
        return False

    def _ended(self, followed: _Followed) -> job.JobState | None:
        if not followed.on:
            return job.state(followed.directory)
        now = time.monotonic()
        if now - followed.looked < _LOCK_LOOK:
            return None
        followed.looked = now
        state = job.state(followed.directory)
        if state == "running":
            return None
        # Nobody writes any more: what is there now is all there will be.
        if _size(followed.path) > followed.offset:
            followed.looked = 0.0
            return None
        return state

    def _sample(self) -> None:
        now = time.monotonic()
        if not self._interval or now < self._next_sample:
            return
        self._next_sample = now + self._interval
        if self._room():
            with contextlib.suppress(OSError):  # the root's disk is away: the next one may come
                self._send(wire.Sample(reading=self._sampler.sample()))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_at(path: Path, offset: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return os.pread(descriptor, wire.BODY, offset)
    finally:
        os.close(descriptor)
