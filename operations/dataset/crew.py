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
from multiprocessing import forkserver
from typing import Any, TypeVar

from operations.dataset import memory

Done = TypeVar("Done")
_COPIED = sys.platform == "linux"
"""Whether the processes are copies of one fresh interpreter: elsewhere a library may not survive that.

They are never copies of the caller: it has threads, and what they hold must not be copied.
"""
_AHEAD = 2
"""Tasks a process has, the one it is at among them."""
_RESULTS = 16
"""Results a process may have waiting for an earlier one."""


class Crew:
    """Calls functions with each of many arguments: the caller itself, and each further process."""

    def __init__(self, pool: ProcessPoolExecutor | None, processes: int) -> None:
        self._pool, self._processes = pool, processes

    def each(self, function: Callable[..., Done], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Done]:
        """``function(*task)`` of each task, in order."""
        if self._pool is None:
            yield from (function(*task) for task in tasks)
            return
        waiting: deque[Future[Done]] = deque()
        for task in tasks:
            if sum(not one.done() for one in waiting) < (self._processes - 1) * _AHEAD:
                waiting.append(self._pool.submit(function, *task))
            else:
                mine: Future[Done] = Future()
                mine.set_result(function(*task))
                waiting.append(mine)
            while waiting and (waiting[0].done() or len(waiting) > self._processes * _RESULTS):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def prepare() -> None:
    """Begins what a crew's processes need, so that it is there when the caller has imported what it needs itself."""
    if _COPIED:
        forkserver.set_forkserver_preload(["operations.dataset.ledgers"])
        forkserver.ensure_running()


@contextmanager
def crew(processes: int) -> Iterator[Crew]:
    """A crew of so many processes, the caller's among them. What waits at its end is not begun."""
    if processes <= 1:
        yield Crew(None, 1)
        return
    prepare()
    context = multiprocessing.get_context("forkserver" if _COPIED else "spawn")
    pool = ProcessPoolExecutor(processes - 1, context, _begin)
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
