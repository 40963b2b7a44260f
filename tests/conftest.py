"""Common to all tests: the stub operations, known here and in every process started from here, and `pty_terminal`."""

import os
import sys
from pathlib import Path

import pytest

STUB = Path(__file__).parent / "stub"
os.environ["GLADIATOR_OPERATIONS"] = "stub_operations"
os.environ["PYTHONPATH"] = os.pathsep.join([str(STUB), *filter(None, [os.environ.get("PYTHONPATH")])])
os.environ["GLADIATOR_OPERATOR"] = "Ada"
sys.path[:0] = [str(STUB), str(Path(__file__).parent / "terminal")]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport():
    """In CI everything that a test needs is installed: a skipped test hides a fault there."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped in CI: {report.longrepr}"
