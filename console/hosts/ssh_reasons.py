"""Why a host can't be reached over SSH, in one line that says what to do about it."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from console.hosts.link import NotLetIn, UntrustedKey
from console.text import clean

_DEFAULT_PORT = 22


@dataclass
class Asked:
    """What was asked for, completed by the operator's configuration, and what host key was shown."""

    address: str
    known_hosts: Path
    identity: Path | None
    port: int = _DEFAULT_PORT
    user: str = ""
    jump: bool = False
    encrypted: bool = False
    """The identity can be used by an agent alone."""
    key: str = ""
    """Algorithm and fingerprint of a host key that is not trusted."""
    has_another: bool = False
    """Whether another key of this host is known."""

    def __str__(self) -> str:
        place = self.address if self.port == _DEFAULT_PORT else f"{self.address} port {self.port}"
        return f"the jump host {place}" if self.jump else place

    def known(self, ssh: Any, host: str, address: str, port: int) -> bool:
        """Whether the file of known hosts has any key for the host."""
        try:
            found = ssh.match_known_hosts(str(self.known_hosts), host, address, port if port != _DEFAULT_PORT else None)
        except (OSError, ValueError):
            return False
        return any(found)

    def showed(self, algorithm: str, fingerprint: str, has_another: bool) -> None:
        """Takes note of a host key that is not trusted."""
        self.key, self.has_another = f"{algorithm} {fingerprint}", has_another


def before(error: Exception, asked: Asked) -> OSError:
    """A fault of the operator's own files, found before anything was sent."""
    import asyncssh

    if isinstance(error, FileNotFoundError):
        if Path(str(error.filename)) == asked.known_hosts:
            return OSError(
                f"{asked.known_hosts} does not exist: it holds the keys of the hosts that may be trusted; copy them "
                f"from the hosts' /etc/ssh/ssh_host_*_key.pub, or correct `known_hosts` in the site's file"
            )
        return OSError(
            f"the key file {error.filename} does not exist: correct `identity` in the site's file, or make it"
        )
    if isinstance(error, asyncssh.ConfigParseError):
        return OSError(clean(f"the SSH configuration can't be read: {error}"))
    if isinstance(error, OSError):
        return OSError(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    return OSError(clean(f"{asked}: a file of keys or of known hosts can't be read: {error}"))


def refused(error: Exception, asked: Asked, seconds: float) -> OSError:
    """An attempt to connect that failed, for whatever reason."""
    import asyncssh

    match error:
        case asyncssh.HostKeyNotVerifiable():
            return _host_key(error, asked)
        case asyncssh.PermissionDenied():
            return _denied(asked)
        case TimeoutError() if error.errno is None:
            return OSError(f"no answer from {asked} within {seconds:.0f} s: it is off, hangs, or is behind a firewall")
        case socket.gaierror() | UnicodeError():
            return OSError(f"the name {asked.address} is not found: correct `address`, or add it to /etc/hosts")
        case ConnectionRefusedError():
            return OSError(f"{asked} refuses connections: start sshd there, or correct `port` in the site's file")
        case OSError(errno=errno.EHOSTUNREACH | errno.ENETUNREACH | errno.ENETDOWN | errno.ETIMEDOUT):
            return OSError(
                f"no route to {asked} ({os.strerror(error.errno or 0)}): look at cable, switch and `address`"
            )
        case asyncssh.ChannelOpenError():
            return OSError(clean(f"the jump host reaches no {asked}: {error.reason}"))
        case asyncssh.ConnectionLost() | ConnectionError():
            return OSError(f"{asked} ended the connection before it was up: it may have too many, see its sshd's log")
        case asyncssh.DisconnectError() if "authentication failures" in error.reason:
            return NotLetIn(f"{asked} was offered too many keys for {asked.user}: set `identity` in the site's file")
        case asyncssh.Error():
            return OSError(clean(f"{asked} and this console can't agree on a connection: {error.reason}"))
    return OSError(clean(f"{asked}: {error}"))


def _host_key(error: Exception, asked: Asked) -> OSError:
    if not asked.key:
        return UntrustedKey(clean(f"the host key of {asked} is not trusted: {error}, see {asked.known_hosts}"))
    if asked.has_another:
        return UntrustedKey(
            f"THE HOST KEY OF {asked} HAS CHANGED: it shows {asked.key}, {asked.known_hosts} has another. Somebody may "
            f"be in between; only if the host was set up anew, put its new key there"
        )
    return UntrustedKey(
        f"the host key of {asked} is unknown: it shows {asked.key}; compare that with `ssh-keygen -lf` on the host's "
        f"own console, then add the key to {asked.known_hosts}"
    )


def _denied(asked: Asked) -> OSError:
    if asked.encrypted:
        how = f"{asked.identity}, which is encrypted: add it to the ssh-agent (ssh-add)"
    elif asked.identity is not None:
        how = f"{asked.identity}: correct `user` or `identity`, or add its .pub to the host's authorized_keys"
    else:
        how = "the keys of the ssh-agent and ~/.ssh: set `user` and `identity` in the site's file"
    return NotLetIn(f"permission denied for {asked.user} at {asked} with {how}")


def no_session(error: BaseException, address: str, seconds: float) -> OSError | None:
    """Why a host that lets one in starts nothing; None for what is no fault of a host."""
    import asyncssh

    match error:
        case TimeoutError():
            return OSError(f"{address} starts no command within {seconds:.0f} s: it hangs")
        case asyncssh.ChannelOpenError() if "closed" not in error.reason:
            return OSError(clean(f"{address} allows no further session on a connection (MaxSessions): {error.reason}"))
        case asyncssh.Error():
            return lost(error)
        case OSError():
            return OSError(clean(f"{address}: {error}"))
    return None


def lost(error: Exception) -> OSError:
    """What ended a connection that was up."""
    reason = str(error)
    if "keepalive" in reason:
        return OSError("the link is cut, nothing was heard for some seconds: look at cable and switch")
    return OSError(clean(f"the connection was lost: {reason}"))
