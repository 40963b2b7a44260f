"""In processes of their own: a library that is loaded stays."""

import ctypes.util
import os
import subprocess
import sys

import pytest

from operations import blas

SCRIPT = """
import os
from operations import blas
print(blas.preload(), blas.preload(), any("openblas" in line for line in open("/proc/self/maps")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="MLX uses Accelerate on a Mac")
@pytest.mark.parametrize("off", ["0", "1"])
def test_openblas_is_loaded_where_it_is_and_wanted(host, off):
    found = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT],
        env={**host.environment, "GLADIATOR_NO_BLAS": off},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    there = ctypes.util.find_library("openblas") is not None and off == "0"
    name = "libopenblas.so.0" if there else "None"
    assert found == [name, name, str(there)]


@pytest.mark.parametrize("before", [None, "3"])
def test_unused_leaves_the_environment_as_it_was(monkeypatch, before):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if before is not None:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", before)
    with blas.unused():
        assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert os.environ.get("OPENBLAS_NUM_THREADS") == before
