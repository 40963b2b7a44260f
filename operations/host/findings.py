"""What a host says of itself when it is asked what it lacks: findings, each met, not met, or n/a with its reason."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One check. ``met`` is None where it can't be told or does not apply; ``found`` says what is there, or why not."""

    name: str
    met: bool | None
    found: str
    todo: str = ""
    """What to do about it, if it is not met."""


class HostReport(msgspec.Struct, frozen=True, kw_only=True):
    """What ``python -P -m operations check ROOT`` prints.

    ``time`` is the host's clock in seconds since 1970; a host of another version may say more or less.
    """

    protocol: int
    versions: dict[str, str]
    time: float
    findings: list[Finding]
