"""What a host says it lacks, from what its tools print: recorded on Linux, from the manuals for a Mac."""

import json
import subprocess
import sys

import pytest

from operations.host import checking, lasting
from operations.wire import PROTOCOL

MAC = """\
System-wide power settings:
Currently in use:
 standby              0
 Sleep On Power Button 1
 hibernatefile        /var/vm/sleepimage
 disksleep            10
 sleep                {sleep}
 displaysleep         10
 SleepDisabled        {disabled}
"""


@pytest.mark.parametrize(
    ("sleep", "disabled", "met", "found"),
    [
        ("0", 0, True, "never sleeps"),
        ("1", 1, True, "never sleeps"),
        ("15", 0, False, "sleeps after 15 min"),
        ("1 (sleep prevented by caffeinate, powerd)", 0, False, "held off for now by caffeinate, powerd"),
    ],
)
def test_whether_a_mac_sleeps(sleep, disabled, met, found):
    finding = lasting.parse_pmset(MAC.format(sleep=sleep, disabled=disabled))
    assert finding.met is met
    assert found in finding.found
    assert met or "pmset -a sleep 0" in finding.todo


def test_whether_linux_may_suspend():
    assert lasting.parse_enabled("masked\nmasked\nmasked-runtime\nmasked\n").met is True
    open_ = lasting.parse_enabled("static\nmasked\nstatic\nmasked\n")
    assert (open_.met, open_.found) == (False, "sleep.target, hibernate.target may be reached")
    assert "systemctl mask" in open_.todo


def test_whether_a_logout_ends_jobs():
    assert lasting.parse_kills("b false\n", lingers=False).met is True
    killed = lasting.parse_kills("b true\n", lingers=True)
    assert killed.met is False  # lingering spares what the user's manager runs, no session's processes
    assert "KillUserProcesses=no" in killed.todo


@pytest.mark.parametrize("text", ["", "usage: pmset", "Failed to connect to bus", "b maybe", "static"])
def test_what_no_tool_says_is_no_answer(text):
    with pytest.raises(ValueError, match="tell"):
        lasting.parse_pmset(text)
    with pytest.raises(ValueError, match="tell"):
        lasting.parse_enabled(text)
    with pytest.raises(ValueError, match="tell"):
        lasting.parse_kills(text, lingers=True)


def test_iperf_of_an_old_version_is_told():
    assert checking.parse_iperf("iperf 3.12 (cJSON 1.7.15)\nLinux alpha\n").met is True
    assert checking.parse_iperf("iperf 3.1.3\n").met is False
    with pytest.raises(ValueError, match="version"):
        checking.parse_iperf("iperf: not found")


def test_gpus_by_name():
    listed = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-4a1e)\nGPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-77b2)\n"
    assert checking.parse_gpus(listed) == ["NVIDIA H100 80GB HBM3"] * 2
    assert checking.parse_gpus("No devices were found\n") == []


def computing(status=0, out=b"", err="", gpus=(), platform="linux"):
    return {found.name: found for found in checking.of_computing(status, out, err, gpus, platform)}


def said(**changed):
    return json.dumps({"device": "CPU", "gpu": False, "blas": "OpenBLAS 0.3.21", "threads": 2} | changed).encode()


def test_what_mlx_computes_on():
    found = computing(out=said())
    assert (found["mlx"].met, found["gpu"].met, found["blas"].met) == (True, None, True)
    assert found["gpu"].found  # n/a has its reason
    assert computing(out=said(blas="the MLX wheel's own"))["blas"].met is False
    metal = computing(out=said(device="Apple M3 Ultra", gpu=True, blas="Accelerate"), platform="darwin")
    assert (metal["gpu"].met, metal["gpu"].found) == (True, "Apple M3 Ultra")
    assert computing(out=said(blas="Accelerate"), platform="darwin")["gpu"].met is False  # as in a container on a Mac
    assert computing(out=said(), gpus=["NVIDIA H100"])["gpu"].found == "NVIDIA H100"


@pytest.mark.parametrize(
    ("status", "out", "err", "why"),
    [
        (1, b"", "Traceback\nModuleNotFoundError: No module named 'mlx'\n", "No module named 'mlx'"),
        (-6, b"", "", "ended with status -6"),
        (0, b"rubbish", "", "ended with status 0"),
    ],
)
def test_an_mlx_that_does_not_work_is_told_with_its_reason(status, out, err, why):
    found = computing(status, out, err)
    assert found["mlx"].met is False
    assert why in found["mlx"].found
    assert found["blas"].met is None


def test_too_little_memory_is_told():
    assert checking.memory(8 << 30).met is True
    assert checking.memory(1 << 30).met is False


def test_the_root(tmp_path, monkeypatch):
    root, disk = checking.of_root(tmp_path)
    assert (root.met, disk.met is not None) == (True, True)
    later = checking.of_root(tmp_path / "a" / "b")[0]
    assert (later.met, "the first job makes it" in later.found) == (True, True)

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(checking.tempfile, "TemporaryFile", refuse)
    assert "can't be written to: Permission denied" in checking.of_root(tmp_path)[0].found
    missing = checking.of_root(tmp_path / "a")[0]
    assert (missing.met, "is no directory" in missing.found) == (False, True)
    assert "chown" in missing.todo


def test_a_tool_beyond_the_sessions_path_is_told(monkeypatch, tmp_path):
    (tmp_path / "iperf3").touch(mode=0o755)
    monkeypatch.setenv("PATH", "/none")
    monkeypatch.setattr(checking, "_BEYOND", str(tmp_path))
    finding = checking.iperf()
    assert (finding.met, str(tmp_path) in finding.found) == (False, True)
    monkeypatch.setattr(checking, "_BEYOND", "/none")
    assert checking.iperf().found == "not found"


def test_it_is_one_json_object(tmp_path):
    command = [sys.executable, "-P", "-m", "operations", "check", str(tmp_path)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout)
    assert found["protocol"] == PROTOCOL
    names = {finding["name"]: finding["met"] for finding in found["findings"]}
    assert (names["root"], names["mlx"]) == (True, True)
    assert names.keys() >= {"disk", "memory", "gpu", "blas", "sleep", "logout", "iperf3", "ping"}
