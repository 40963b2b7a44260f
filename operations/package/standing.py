"""What a package's models were proven on: a file of the package, and the line that its manifest says."""

from __future__ import annotations

from pathlib import Path

import msgspec

from operations.contract import Refusal, Standing

NAME = "standing.json"


def encode(standing: Standing) -> bytes:
    """The file's bytes: equal standings are equal bytes."""
    return msgspec.json.format(msgspec.json.encode(standing, order="deterministic"), indent=1) + b"\n"


def read(path: Path) -> Standing:
    """Raises Refusal if the file is missing or says no standing."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Standing)
    except OSError as error:
        raise Refusal(f"{NAME} can't be read: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise Refusal(f"{NAME} says no standing: {error}") from None
