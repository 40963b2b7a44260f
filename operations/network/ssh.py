"""OpenSSH's client as one host's job uses it to log in to another host: as stated, whatever ~/.ssh/config says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from operations.contract import Refusal

CIPHER = "aes128-gcm@openssh.com"
Fault: TypeAlias = Literal["changed", "unknown", "refused"]


@dataclass(frozen=True, kw_only=True)
class Login:
    """How the other host is entered; ``identity`` and ``known_hosts`` are files of this one.

    An empty ``user`` is the same as here. ``patience`` is how many seconds either end may be silent.
    """

    identity: str
    known_hosts: str
    user: str
    port: int
    patience: float

    @property
    def seconds(self) -> int:
        """The patience as the tools take it."""
        return max(1, int(self.patience))

    def check(self, here: str) -> None:
        """Raises Refusal if a file that is named is not ``here``."""
        for name in ("identity", "known_hosts"):
            path = Path(getattr(self, name)).expanduser()
            if not path.is_file():
                raise Refusal(f"{path} is not on {here}: correct `{name}` in the site's file, or make it")

    def arguments(self) -> list[str]:
        """The client's argument list, up to the host."""
        files = [str(Path(name).expanduser()) for name in (self.identity, self.known_hosts)]
        options = {
            "BatchMode": "yes",
            "ClearAllForwardings": "yes",
            "ConnectTimeout": str(self.seconds),
            "ForwardAgent": "no",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "ServerAliveInterval": "1",
            "ServerAliveCountMax": str(self.seconds),
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": f'"{files[1]}"' if " " in files[1] else files[1],  # as ssh reads a file's name
        }
        shell = ["ssh", "-F", "none", "-c", CIPHER, "-i", files[0], "-p", str(self.port)]
        shell += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [*shell, "-l", self.user] if self.user else shell


def fault(said: Sequence[str]) -> Fault | None:
    """Which of the faults that a person mends the client told of, if any."""
    text = "\n".join(said).lower()
    if "identification has changed" in text:
        return "changed"
    if "host key is known" in text or "host key verification failed" in text:
        return "unknown"
    return "refused" if "permission denied (" in text else None
