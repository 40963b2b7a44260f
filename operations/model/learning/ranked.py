"""One rank of a training: ``python -P -m operations.model.learning.ranked JOB RANKS``, started by ``mlx.launch``."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import msgspec

from operations import blas, events, job, registry
from operations.context import JobContext, Teller
from operations.contract import Refusal
from operations.lines import described, one_line
from operations.model.learning.ranks import STOPS, TELLS

REASON = 900
"""Characters of a reason: with at most four bytes each its line is written at once, between those of other ranks."""


class _Asked(threading.Event):
    """Set once the file is there."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def is_set(self) -> bool:
        return self._path.exists()


def main(directory: Path, ranks: Path) -> None:
    """Takes part in the job and ends the process: with 0 if it is done or stopped, 1 if it failed."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_watch, daemon=True, name="lifeline").start()
    first = os.environ["MLX_RANK"] == "0"
    tells = os.open(ranks / TELLS, os.O_WRONLY)
    teller = Teller(tells if first else os.open(os.devnull, os.O_WRONLY))
    try:
        _take_part(directory, ranks, teller)
        end = teller.end
    except Refusal as refusal:
        end = events.Finished(t=time.time(), outcome="failed", reason=one_line(str(refusal))[:REASON])
    except Exception as error:
        end = events.Finished(t=time.time(), outcome="failed", reason=described(error)[:REASON])
    if first or end.outcome == "failed":
        # Which rank fails first is chance, and the launcher ends the others then: whoever does says why.
        Teller(tells).tell(end)
    os._exit(1 if end.outcome == "failed" else 0)


def _take_part(directory: Path, ranks: Path, teller: Teller) -> None:
    blas.preload()
    import mlx.core as mx

    from operations.model.learning import multitask
    from operations.model.train import Parameters

    group = mx.distributed.init(strict=True, backend="ring")
    job_file = job.read(directory)
    operation = registry.find(job_file.operation)
    context = JobContext(directory, job_file, operation, teller, _Asked(ranks / STOPS), {})
    multitask.train(context, msgspec.convert(job_file.parameters, Parameters), group)


def _watch() -> None:
    # The launcher holds the other end: without it nobody hears this rank, and it must not write on.
    while os.read(0, 4_096):
        pass
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
