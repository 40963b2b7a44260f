"""Common to all tests: stub operations, known in every process started from here, `pty_terminal`, and the host lab."""

import contextlib
import os
import signal
import sys
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


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """In CI everything that a test needs is installed: a skipped test hides a fault there."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped in CI: {report.longrepr}"
