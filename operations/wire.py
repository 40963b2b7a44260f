"""What console and agent say to each other: frames over a pair of pipes.

A frame is two 4-byte big-endian lengths, of the whole rest and of its header, then the header, a JSON object that
names its ``type``, then a body of raw bytes. Each side begins with MAGIC and a `Hello`; what comes before MAGIC, such
as a login's banner, is skipped. A request carries an ``id`` and is answered by one frame with that ``id``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from operations.host.readings import Reading
from operations.job import JobFile, JobState

PROTOCOL = 2
MAGIC = b"\n\x1e gladiator-wire \x1e\n"
FRAME_LIMIT = 1 << 20
"""Bytes of a frame, its first length not counted."""
RUBBISH_LIMIT = 65_536
"""Bytes that may come before MAGIC."""
NOISE = 256
"""Bytes of it that are kept, to be shown."""
BODY = 65_536
"""Bytes of a job's file in one `Data` frame at most."""
FollowedFile: TypeAlias = Literal["events", "readings"]
"""What of a job can be followed: what it says, and what its supervisor sampled of the host."""

_LENGTHS = struct.Struct(">II")


class WireError(Exception):
    """The other side does not speak this protocol; one line says how."""


class _Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    pass


class Hello(_Message, frozen=True, kw_only=True, tag="hello"):
    """First frame of both sides."""

    protocol: int
    versions: dict[str, str]


class Launch(_Message, frozen=True, kw_only=True, tag="launch"):
    """Claims and starts a job; answered by `Done`, also when it was started before."""

    id: int
    job: JobFile
    secrets: dict[str, str] = {}


class Probe(_Message, frozen=True, kw_only=True, tag="probe"):
    """Answered by `State`."""

    id: int
    job: str


class Stop(_Message, frozen=True, kw_only=True, tag="stop"):
    """Asks a job to checkpoint and end, or with ``kill`` ends it without; answered by `Done` at once."""

    id: int
    job: str
    kill: bool = False


class Follow(_Message, frozen=True, kw_only=True, tag="follow"):
    """Answered by `Done`; then `Data` frames bring the file from ``offset`` on, and `Ended` says no more come.

    That is at the job's end, or with ``on`` false once all that is there now was sent.
    """

    id: int
    job: str
    offset: int
    file: FollowedFile = "events"
    on: bool = True


class Unfollow(_Message, frozen=True, kw_only=True, tag="unfollow"):
    """Answered by `Done`."""

    id: int
    job: str
    file: FollowedFile = "events"


class Readings(_Message, frozen=True, kw_only=True, tag="readings"):
    """Asks for a `Sample` every ``interval`` seconds, or none any more at 0; answered by `Done`."""

    id: int
    interval: float


class Ping(_Message, frozen=True, kw_only=True, tag="ping"):
    """Answered by `Done`."""

    id: int


class Done(_Message, frozen=True, kw_only=True, tag="done"):
    """A request was carried out."""

    id: int


class Failed(_Message, frozen=True, kw_only=True, tag="failed"):
    """A request could not be carried out; ``id`` is 0 if it could not even be read."""

    id: int
    reason: str


class State(_Message, frozen=True, kw_only=True, tag="state"):
    """Answers `Probe`."""

    id: int
    state: JobState


class Data(_Message, frozen=True, kw_only=True, tag="data"):
    """The body is what stands at ``offset`` of the job's file; it may end inside a line."""

    job: str
    offset: int
    file: FollowedFile = "events"


class Ended(_Message, frozen=True, kw_only=True, tag="ended"):
    """All of the job's file has been sent that was asked for, or it can't be read; it is followed no more."""

    job: str
    state: JobState
    fault: str = ""
    """Why the file can't be read; then ``state`` means nothing."""
    file: FollowedFile = "events"


class Sample(_Message, frozen=True, kw_only=True, tag="sample"):
    """The host's reading."""

    reading: Reading


Request: TypeAlias = Launch | Probe | Stop | Follow | Unfollow | Readings | Ping
Message: TypeAlias = Hello | Request | Done | Failed | State | Data | Ended | Sample


@dataclass(frozen=True, slots=True)
class Frame:
    """One message with its body."""

    message: Message
    body: bytes = b""


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode(message: Message, body: bytes = b"") -> bytes:
    """The frame's bytes. Raises WireError if it is longer than FRAME_LIMIT."""
    header = _encoder.encode(message)
    size = 4 + len(header) + len(body)
    if size > FRAME_LIMIT:
        raise WireError(f"a frame of {size} bytes, at most {FRAME_LIMIT} are allowed")
    return _LENGTHS.pack(size, len(header)) + header + body


class Parser:
    """Takes bytes as they come, in whatever pieces, and gives whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skipped: int | None = 0  # bytes of rubbish so far; None once MAGIC was seen
        self._noise = b""

    @property
    def noise(self) -> bytes:
        """How what came so far begins, if it is not MAGIC."""
        return self._noise if self._skipped is None else (self._noise + self._buffer)[:NOISE]

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that ``data`` completes. Raises WireError at what is none; the parser is of no use then."""
        self._buffer += data
        if self._skipped is not None and not self._find_magic():
            return []
        found = []
        while (frame := self._next()) is not None:
            found.append(frame)
        return found

    def _find_magic(self) -> bool:
        at = self._buffer.find(MAGIC)
        assert self._skipped is not None
        gone = at if at >= 0 else max(0, len(self._buffer) - len(MAGIC) + 1)
        self._skipped += gone
        self._noise += bytes(self._buffer[: min(gone, NOISE - len(self._noise))])
        if self._skipped > RUBBISH_LIMIT:
            raise WireError(f"no agent answered in the first {RUBBISH_LIMIT} bytes")
        del self._buffer[: gone + (len(MAGIC) if at >= 0 else 0)]
        if at < 0:
            return False
        self._skipped = None
        return True

    def _next(self) -> Frame | None:
        if len(self._buffer) < _LENGTHS.size:
            return None
        size, header = _LENGTHS.unpack_from(self._buffer)
        if not 4 <= size <= FRAME_LIMIT or header > size - 4:
            raise WireError(f"a frame with lengths {size} and {header}")
        if len(self._buffer) < 4 + size:
            return None
        start = _LENGTHS.size
        with memoryview(self._buffer) as view:  # each piece is copied once
            head, body = bytes(view[start : start + header]), bytes(view[start + header : 4 + size])
        del self._buffer[: 4 + size]
        try:
            return Frame(_decoder.decode(head), body)
        except msgspec.DecodeError as error:
            raise WireError(f"a frame that is no message: {error}") from None
