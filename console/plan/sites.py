"""What a site says, as types: its hosts, and the amounts of a plan's parameters. It is TOML, its tables keyed by id."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from console.plan.types import Id, Scalar, Struct


class Host(Struct, frozen=True, kw_only=True):
    """A machine of the site, reached locally or over SSH, bare or in a container."""

    link: Literal["local", "ssh"] = "local"
    root: str
    """The host's directory for data and jobs; relative to the workspace for a local host."""
    about: str = ""
    machine: str = ""
    """The same word for hosts that share one machine: figures between them are null."""
    address: str = ""
    """A name, an address, or a ``Host`` of the operator's ``~/.ssh/config``, which fills in what is left out here."""
    wired: Annotated[str, Meta(pattern=r"^([0-9A-Fa-f.:]{2,39})?$(?!\n)")] = ""
    """Its own address on the wired network, where its jobs listen for the other hosts'; no name, which may lead
    elsewhere."""
    user: str = ""
    port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """0 leaves it to ``~/.ssh/config``, else 22."""
    identity: str = ""
    """The private key's file; empty for the agent's and ``~/.ssh/config``'s."""
    known_hosts: str = ""
    """The file of the hosts' keys, in OpenSSH's format; jump hosts are looked up there too."""
    jump: str = ""
    """Hosts to go through, nearest first: ``user@host:port``, by commas."""
    python: str = ""
    """The interpreter that has the operations; empty for this console's own on a local host, else ``python3``."""
    container: str = ""
    container_root: str = ""
    """The host's root as seen inside the container."""
    container_python: str = "python3"
    """The interpreter inside the container that has the operations."""
    docker: str = "docker"
    """The program that reaches into the container; a path where a login without a terminal does not find it."""
    contained: list[str] = field(default_factory=list)
    """Operations, or ``dataset.*``, that run in the container; all others run bare."""
    threads: Annotated[int, Meta(ge=0)] = 0
    """Threads a job may use; 0 lets the library choose."""

    def contains(self, operation: str) -> bool:
        """Whether jobs of the operation run in the container."""
        return any(matches(pattern, operation) for pattern in self.contained)


def matches(pattern: str, operation: str) -> bool:
    """Whether ``contained`` names the operation: by its name, or as ``dataset.*``."""
    return pattern == operation or (pattern.endswith(".*") and operation.startswith(pattern[:-1]))


class SiteFile(Struct, frozen=True, kw_only=True):
    """What a site's file holds."""

    schema: Literal[1]
    id: Id
    title: str
    rehearsal: bool = False
    about: str = ""
    host: dict[Id, Host]
    not_here: dict[str, str] = field(default_factory=dict)
    """``GATE.criterion`` -> why this rehearsal can't prove that facility criterion; ``limit.NAME`` -> why that limit of
    the plan does not hold here."""
    parameters: dict[Id, dict[str, Scalar]] = field(default_factory=dict)
    """Task -> amounts that replace the plan's; for one task also another address than its host's ``wired``."""
    sign_key: str = ""
    zone: str = "UTC"


class Site(SiteFile, frozen=True, kw_only=True):
    """Where a plan runs: hosts, and the amounts of its parameters. Never a threshold."""

    digest: str = ""
    """SHA-256 of the site's file; set by loading."""
