"""Common to all tests: stub operations, known in every process started from here, `pty_terminal`, the host lab, turns.

Two processes run tests at once (``-n 2``). A test marked ``alone`` has a bound in seconds, or is long because it keeps
all cores busy: no other one runs beside it.
"""

import contextlib
import fcntl
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

STUB = Path(__file__).parent / "stub"
# A run put in the background by a shell without job control is born deaf to Ctrl-C, and so would be all it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["GLADIATOR_OPERATIONS"] = "stub_operations"
os.environ["PYTHONPATH"] = os.pathsep.join([str(STUB), *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ["GLADIATOR_OPERATOR"] = "Ada"
sys.path[:0] = [str(STUB), *(str(Path(__file__).parent / name) for name in ("terminal", "lab"))]


@pytest.fixture(scope="session")
def lab_of_this_worker():
    from host_lab import HostLab, Unavailable

    with contextlib.ExitStack() as stack:
        try:
            up = stack.enter_context(HostLab())
        except Unavailable as reason:
            pytest.skip(str(reason))
        yield up


@pytest.fixture
def lab(lab_of_this_worker):
    """Three hosts with OpenSSH in network namespaces, in their first state (tests/lab/host_lab.py)."""
    yield lab_of_this_worker
    lab_of_this_worker.heal()


@contextlib.contextmanager
def _turn(name: str, how: int) -> Iterator[None]:
    path = Path(tempfile.gettempdir(), f"gladiator-tests-{os.getuid()}-{name}.lock")
    with path.open("a") as held:
        fcntl.flock(held, how)
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """A test's turn, its fixtures' included. Who waits at the door keeps others from going past it."""
    alone = item.get_closest_marker("alone") is not None
    with contextlib.ExitStack() as stack:
        with _turn("door", fcntl.LOCK_EX):
            stack.enter_context(_turn("room", fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        yield


def pytest_collection_modifyitems(items):
    """Those that run alone first: none has to wait for others then. Afterwards each file stays with one process."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """In CI everything that a test needs is installed: a skipped test hides a fault there."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped in CI: {report.longrepr}"
