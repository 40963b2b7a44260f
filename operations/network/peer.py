"""One end of a connection between a run's jobs: both prove that they know the token, then each message carries a seal.

The token itself is never sent. Each end sends a nonce; HMAC-SHA256 over both under the token is the session's key, and
under that key each end proves itself and seals its messages, numbered and by direction. File contents go unsealed:
their digest is in a sealed message.
"""

from __future__ import annotations

import hmac
import os
import secrets
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from operations.contract import Refusal

GREETING = b"gladiator-run 3\n"
MESSAGE_LIMIT = 65_536
_SEAL = 32
_LENGTH = struct.Struct(">I")
_TICK = 0.2  # seconds between two looks at whether the job is to stop
_TIMEVAL = struct.pack("@ll", 0, int(_TICK * 1e6))

Role = Literal["sink", "source", "server", "client", "first", "other"]
_OTHERS: dict[Role, Role] = {
    "sink": "source",
    "source": "sink",
    "server": "client",
    "client": "server",
    "first": "other",
    "other": "first",
}
_CONNECTS = ("source", "client", "other")
WORDS: dict[Role, str] = {**{role: role for role in _OTHERS}, "first": "first host", "other": "other host"}
"""How an error names each role."""
Message = TypeVar("Message", bound=msgspec.Struct)


class Broken(Refusal):
    """The other end is gone, or silent."""


class Stopping(Exception):
    """The job was asked to end."""


class Untrusted(Exception):
    """The other end does not know the token, or is no other end at all."""


class Peer:
    """The other end. Each wait ends with Broken after ``patience`` seconds without a byte, or with Stopping."""

    def __init__(self, connection: socket.socket, role: Role, patience: float, stopping: Callable[[], bool]) -> None:
        # The kernel's own time-out, not Python's: with that each read would ask whether it may before it does, and
        # come back with what is there instead of what is asked for.
        connection.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, _TIMEVAL)
        self._connection = connection
        self._role = role
        self._other = _OTHERS[role]
        self._word = WORDS[self._other]
        self.patience = patience
        self._stopping = stopping
        self._key = b""
        self._sent = self._received = 0

    def greet(self, token: str) -> None:
        """Proves each end to the other. Raises Untrusted."""
        mine = secrets.token_bytes(_SEAL)
        self.send_bytes(GREETING + mine)
        try:
            hello = self._exactly(len(GREETING) + _SEAL)
            if not hello.startswith(GREETING):
                raise Untrusted(f"the {self._word} is no job of this run")
            theirs = hello[len(GREETING) :]
            nonces = mine + theirs if self._role in _CONNECTS else theirs + mine
            self._key = hmac.digest(token.encode(), GREETING + nonces, "sha256")
            # Who connects proves itself first: who listens answers nobody else.
            if self._role in _CONNECTS:
                self.send_bytes(self._seal(self._role, b"proof", 0))
            proof = self._exactly(_SEAL)
            if not hmac.compare_digest(proof, self._seal(self._other, b"proof", 0)):
                raise Untrusted(f"the {self._word} does not know the token")
            if self._role not in _CONNECTS:
                self.send_bytes(self._seal(self._role, b"proof", 0))
        except (Refusal, OSError) as error:
            raise Untrusted(f"the {self._word} did not prove that it knows the token ({error})") from None

    def alias(self, name: str) -> str:
        """A digest of ``name`` that only the two ends can compare; "" of an empty one."""
        if not name:
            return ""
        return hmac.new(self._key, b"alias" + name.encode(), "sha256").hexdigest()

    def tell(self, message: msgspec.Struct) -> None:
        """Sends a sealed message."""
        self._send_sealed(msgspec.json.encode(message))

    def still(self) -> None:
        """Says that this end is at work and the other's patience is not to end."""
        self._send_sealed(b"")

    def hear(self, kind: type[Message]) -> Message:
        """The next message. Raises Refusal if the connection ended or the seal is not the other end's."""
        data = self._sealed()
        while not data:
            data = self._sealed()
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError as error:
            raise Refusal(f"the {self._word} sent what this end does not know: {error}") from None

    @property
    def waiting(self) -> bool:
        """Whether the other end has said something that has not been heard, or has gone."""
        return bool(select.select([self._connection], [], [], 0)[0])

    def receive_into(self, buffer: memoryview, flags: int = 0) -> int:
        """Bytes put into ``buffer``, at least one. Raises Broken if the connection ended."""
        count = self._patiently(lambda into: self._connection.recv_into(into, 0, flags), buffer)
        if not count:
            raise Broken(f"the connection to the {self._word} ended too soon")
        return count

    def fill(self, buffer: memoryview) -> None:
        """As many bytes as ``buffer`` holds. Raises Broken if the connection ended before."""
        while buffer:
            buffer = buffer[self.receive_into(buffer, socket.MSG_WAITALL) :]

    def send_bytes(self, data: bytes | memoryview) -> None:
        """Sends all of ``data``."""
        left = memoryview(data)
        while left:
            left = left[self._patiently(self._connection.send, left) :]

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        """Sends up to ``count`` bytes of an open file, from ``offset`` on, past this process; returns how many."""
        return self._patiently(
            lambda _: os.sendfile(self._connection.fileno(), descriptor, offset, count), memoryview(b"")
        )

    def _send_sealed(self, data: bytes) -> None:
        self._sent += 1
        self.send_bytes(_LENGTH.pack(len(data)) + data + self._seal(self._role, data, self._sent))

    def _sealed(self) -> bytes:
        self._received += 1
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > MESSAGE_LIMIT:
            raise Refusal(f"what the {self._word} sent was changed on its way")
        data = self._exactly(length)
        if not hmac.compare_digest(self._exactly(_SEAL), self._seal(self._other, data, self._received)):
            raise Refusal(f"what the {self._word} sent was changed on its way")
        return data

    def _exactly(self, count: int) -> bytes:
        data = bytearray(count)
        self.fill(memoryview(data))
        return bytes(data)

    def _patiently(self, attempt: Callable[[memoryview], int], data: memoryview) -> int:
        until = time.monotonic() + self.patience
        while True:
            if self._stopping():
                raise Stopping
            try:
                return attempt(data)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise Broken(f"the {self._word} was silent for {self.patience:g} s") from None
            except OSError as error:
                raise Broken(f"the connection to the {self._word} broke: {error.strerror or error}") from None

    def _seal(self, role: str, data: bytes, number: int) -> bytes:
        return hmac.digest(self._key, role.encode() + struct.pack(">Q", number) + data, "sha256")


def machine() -> str:
    """What tells this machine from others until its next start, the same for all its containers; "" if unknown."""
    try:
        if sys.platform == "linux":
            return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        found = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=True)
        return found.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
