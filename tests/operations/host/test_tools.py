"""Tools that hang, die, talk rubbish or end: a reading never waits for them and never shows what they said long ago."""

import os
import sys
import threading
import time

import pytest

from operations.host import macos, tools
from operations.host.nvidia import Nvidia
from operations.host.readings import Sampler
from operations.host.tools import Command, Talking

LINE = "{0}, {1}, 42, 100, 1000, 60, 70.5"


def program(directory, text):
    """An executable of that Python text."""
    path = directory / "tool"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{text}\n")
    path.chmod(0o755)
    return str(path)


def until(found, patience=20.0):
    """What ``found`` gives once it gives something; looks again until then."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if value := found():
            return value
        threading.Event().wait(0.01)
    raise AssertionError("it never came")


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.fixture
def closing():
    """``closing(tool)``: the tool, closed at the end of the test."""
    held = []
    yield lambda tool: held.append(tool) or tool
    for tool in held:
        tool.close()


def test_a_command_is_parsed_and_its_last_word_grows_old(tmp_path, closing, monkeypatch):
    tool = closing(Command([program(tmp_path, "print(7)")], int, every=600))
    assert tool.latest() == (None, "not read yet")
    assert until(lambda: tool.latest()[0]) == 7
    monkeypatch.setattr(tools, "FRESH", 0.0)
    value, reason = tool.latest()
    assert value is None
    assert reason.startswith("tool has not answered for ")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("time.sleep(600)", "tool: did not answer within 0 s"),
        ("print('no such driver'); sys.exit(9)", "tool: no such driver"),
        ("sys.exit(9)", "tool: ended with status 9"),
        ("print('rubbish')", "tool: invalid literal"),
    ],
)
def test_a_command_that_fails_is_none_with_its_reason(tmp_path, closing, text, reason):
    tool = closing(Command([program(tmp_path, text)], int, every=600, timeout=0.2 if "sleep" in text else 10.0))
    until(lambda: tool.latest()[1].startswith(reason))
    assert tool.latest()[0] is None


def test_a_command_that_is_not_there_says_so(closing):
    tool = closing(Command(["/nowhere/tool"], int))
    assert "No such file" in until(lambda: tool.latest()[1].partition("tool: ")[2])


def test_gpus_of_a_child_that_is_killed_come_again_from_another(tmp_path, closing, monkeypatch):
    text = f"open('{tmp_path}/pids', 'a').write(f'{{os.getpid()}}\\n')\n"
    text += f"while True:\n    print('{LINE.format(0, 1)}', flush=True)\n    time.sleep(0.05)"
    monkeypatch.setattr(tools, "BACKOFF", (0.05,))
    nvidia = closing(Nvidia(program(tmp_path, text)))
    until(lambda: nvidia.sense().gpu == (42.0, ""))
    pids = (tmp_path / "pids").read_text().split()
    assert len(pids) == 1
    os.kill(int(pids[0]), 9)
    until(lambda: len((tmp_path / "pids").read_text().split()) == 2)
    until(lambda: nvidia.sense().gpu == (42.0, ""))


def test_the_child_ends_with_the_sampler_and_comes_again_with_it(tmp_path):
    text = f"open('{tmp_path}/pid', 'w').write(str(os.getpid()))\n"
    text += f"while True:\n    print('{LINE.format(0, 1)}', flush=True)\n    time.sleep(0.05)"
    sampler = Sampler(tmp_path, [Nvidia(program(tmp_path, text))])
    with sampler:
        until(lambda: sampler.sample().gpu_percent == 42)
        pid = int((tmp_path / "pid").read_text())
        assert not gone(pid)
    until(lambda: gone(pid))
    with sampler:
        until(lambda: sampler.sample().gpu_percent == 42)


def test_a_driver_that_fails_is_the_reason(tmp_path, closing):
    said = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    nvidia = closing(Nvidia(program(tmp_path, f'print("{said}"); sys.exit(9)')))
    assert until(lambda: said in nvidia.sense().gpu[1])
    assert nvidia.sense().gpu[0] is None
    assert nvidia.sense().watts[0] is None


def test_a_tool_that_falls_silent_is_ended_and_started_again(tmp_path, closing, monkeypatch):
    monkeypatch.setattr(tools, "BACKOFF", (0.01,))
    text = f"open('{tmp_path}/pids', 'a').write(f'{{os.getpid()}}\\n')\nprint(1, flush=True)\ntime.sleep(600)"
    tool = closing(Talking([program(tmp_path, text)], int, silent=0.1))
    until(lambda: tool.latest()[0] == 1)
    until(lambda: (tmp_path / "pids").read_text().count("\n") >= 3)
    first = int((tmp_path / "pids").read_text().split()[0])
    until(lambda: gone(first))


def test_a_tool_whose_check_fails_is_never_started(tmp_path, closing):
    def check():
        raise ValueError("too old")

    text = f"open('{tmp_path}/ran', 'w')\nprint(1)"
    tool = closing(Talking([program(tmp_path, text)], int, check=check))
    until(lambda: tool.latest()[1] == "tool: too old")
    assert not (tmp_path / "ran").exists()


def test_a_reading_does_not_wait_for_a_tool_that_hangs(tmp_path, closing):
    sampler = closing(Sampler(tmp_path, [Nvidia(program(tmp_path, "time.sleep(600)"))]))
    took = []
    for _ in range(20):
        begun = time.perf_counter()
        reading = sampler.sample()
        took.append(time.perf_counter() - begun)
        assert (reading.gpu_percent, reading.gpu_reason) == (None, "not read yet")
    assert sorted(took)[10] < 0.1


@pytest.fixture
def mac(tmp_path, closing, monkeypatch):
    """``mac("0.8.2")``: a Mac's tools as programs of this machine, with that macmon; each says what a Mac's does."""

    def make(version):
        said = {
            "ioreg": 'print(\'"PerformanceStatistics" = {"Device Utilization %"=34}\')',
            "notifyutil": "print('com.apple.system.thermalpressurelevel 1')",
            "macmon": f"if '--version' in sys.argv: print('macmon {version}'); sys.exit()\n"
            "assert sys.argv[1:] == ['pipe']\n"
            "while True:\n"
            '    print(\'{"temp":{"cpu_temp_avg":51.5,"gpu_temp_avg":0.0},"sys_power":23.5}\', flush=True)\n'
            "    time.sleep(0.05)",
        }
        for name, text in said.items():
            (tmp_path / name).mkdir(exist_ok=True)
            said[name] = program(tmp_path / name, text)
        monkeypatch.setattr(macos, "IOREG", (said["ioreg"], *macos.IOREG[1:]))
        monkeypatch.setattr(macos, "NOTIFYUTIL", (said["notifyutil"], *macos.NOTIFYUTIL[1:]))
        return closing(macos.Macos(said["macmon"]))

    return make


def test_a_macs_tools_make_a_reading(tmp_path, closing, mac):
    sampler = closing(Sampler(tmp_path, [mac("0.8.2")]))
    reading = until(lambda: (r := sampler.sample()).gpu_percent and r.watts and r.thermal_reason == "" and r)
    assert (reading.gpu_percent, reading.temperature_c, reading.watts, reading.thermal_pressure) == (34, 51.5, 23.5, 1)
    assert (reading.gpu_memory_used, reading.gpu_memory_reason) == (None, macos.SHARED)


def test_an_old_macmon_is_not_believed(tmp_path, closing, mac):
    sampler = closing(Sampler(tmp_path, [mac("0.6.1")]))
    reading = until(lambda: "too old" in (r := sampler.sample()).watts_reason and r)
    assert (reading.temperature_c, reading.watts) == (None, None)
    assert reading.temperature_reason.endswith("version 0.6.1 is too old: 0.8.2 or later")


def test_a_mac_without_macmon_says_what_is_missing(monkeypatch, closing, tmp_path):
    monkeypatch.setattr(macos.shutil, "which", lambda *_, **__: None)
    reading = closing(Sampler(tmp_path, [macos.Macos()])).sample()
    assert (reading.watts, reading.watts_reason) == (None, macos.NO_MACMON)
