"""Work on many files by several processes, its results in the files' order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from operations.dataset import memory

Done = TypeVar("Done")
_AHEAD = 2
"""Tasks a process has waiting for it: results that wait for an earlier one are few."""


class Crew:
    """Calls functions with each of many arguments; by itself if it has no processes."""

    def __init__(self, pool: ProcessPoolExecutor | None, processes: int) -> None:
        self._pool, self._processes = pool, processes

    def each(self, function: Callable[..., Done], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Done]:
        """``function(*task)`` of each task, in order."""
        if self._pool is None:
            yield from (function(*task) for task in tasks)
            return
        waiting: deque[Future[Done]] = deque()
        for task in tasks:
            waiting.append(self._pool.submit(function, *task))
            if len(waiting) > self._processes * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def crew(processes: int) -> Iterator[Crew]:
    """A crew of so many processes; with one, the caller does the work. What waits at its end is not begun."""
    if processes <= 1:
        yield Crew(None, 1)
        return
    # No copies of this process: it has threads, and what they hold must not be copied. On Linux they are copies of one
    # fresh interpreter that has imported what they need; elsewhere a library may not survive that.
    context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
    context.set_forkserver_preload(["operations.dataset.ledgers"])
    pool = ProcessPoolExecutor(processes, context, _begin)
    try:
        yield Crew(pool, processes)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """A stop is the parent's to heed; a parent that is killed takes its crew along."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    memory.keep()
    threading.Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a crew's process has begun"
    parent.join()
    os._exit(1)
