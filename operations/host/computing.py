"""What MLX computes on, as one JSON object: a process of its own, for a broken MLX may end the one that imports it."""

from __future__ import annotations

import sys

import msgspec


class Computing(msgspec.Struct, frozen=True):
    """The device by name, whether it is a GPU, and the linear algebra library with its threads."""

    device: str
    gpu: bool
    blas: str
    threads: int | None


def main() -> int:
    """Computes something and prints what on."""
    from operations import blas
    from operations.model import machine

    blas.preload()
    import mlx.core as mx

    assert mx.sum(mx.ones(8)).item() == 8
    library = machine.blas()
    found = Computing(machine.device(), machine.has_gpu(), library.name, library.threads)
    print(msgspec.json.encode(found).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
