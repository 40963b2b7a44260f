"""What the ranks of a training tell each other besides gradients."""

from __future__ import annotations

import json
import os
from pathlib import Path

import mlx.core as mx
import numpy as np

from operations.contract import Refusal
from operations.model import machine

_BYTES = 512


def everyones(group: mx.distributed.Group, text: str) -> list[str]:
    """Each rank's text, in the ranks' order; what is longer than 512 bytes is cut."""
    mine = text.encode("utf-8", "replace")[:_BYTES].ljust(_BYTES, b"\0")
    sent = mx.array(np.frombuffer(mine, np.uint8)[None])
    whole = np.array(mx.distributed.all_gather(sent, group=group, stream=mx.cpu), np.uint8)
    return [bytes(row).rstrip(b"\0").decode("utf-8", "replace") for row in whole]


def ring(group: mx.distributed.Group) -> str:
    """Who takes part, in order: each rank's address, and what it computes with."""
    return "; ".join(everyones(group, f"{_address(group.rank())} {machine.device()}"))


def same_step(group: mx.distributed.Group, done: int) -> None:
    """Raises Refusal, on every rank, unless all have as many steps behind them."""
    found = everyones(group, str(done))
    if len(set(found)) > 1:
        raise Refusal(f"the ranks would go on from different steps: {', '.join(found)}")


def _address(rank: int) -> str:
    """The rank's address without its port, as MLX's launcher hands it on: a file of lists of ADDRESS:PORT."""
    hosts: list[list[str]] = json.loads(Path(os.environ["MLX_HOSTFILE"]).read_text())
    return hosts[rank][0].rpartition(":")[0]
