"""A host without internet is looked at, prepared and used as an operator would do it; the lab is the network."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from console.hosts.prepare import bare, looking
from console.hosts.prepare.wheelhouse import MANIFEST
from console.hosts.session import Here
from console.plan.sites import Host
from operations.host.findings import Finding, HostReport
from operations.wire import PROTOCOL

sys.path.insert(0, str(Path(__file__).parent))
import small_wheelhouse as small

TESTS = Path(__file__).parents[2]
SITE = """\
schema = 1
id = "lab"
title = "Lab"

[host.ALPHA]
root = "hosts/ALPHA"

[host.BETA]
link = "ssh"
address = "{host.address}"
user = "{host.user}"
identity = "{host.identity}"
known_hosts = "{host.known_hosts}"
root = "{host.root}"
python = "{host.root}/venv/bin/python"
"""


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory):
    place = tmp_path_factory.mktemp("prepare")
    small.make(place / "wheelhouse", place / "index", small.packed(place / "index"))
    return place / "wheelhouse"


def command(*words):
    return [sys.executable, "-P", "-m", "console", *map(str, words)]


def program(*words):
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=120)


@pytest.fixture
def site(lab, far, tmp_path):
    """(the lab's host that is BETA, workspace); where the machine has no ping, its users may send echoes themselves."""
    far()  # the operator has no configuration of his own
    host = lab.host["beta"]
    lab.run("beta", "sysctl", "-w", "net.ipv4.ping_group_range=0 2147483647")
    (tmp_path / "site.toml").write_text(SITE.format(host=host))
    made = program("init", tmp_path / "w", "--plan", TESTS / "stub" / "plan", "--site", tmp_path / "site.toml")
    assert made.returncode == 0, made.stderr
    yield host, tmp_path / "w"
    lab.run("beta", "sysctl", "-w", "net.ipv4.ping_group_range=1 0")


def prepare(workspace, wheelhouse):
    base = ("--base", sys.executable)
    return program("host", "prepare", workspace, "BETA", "--wheelhouse", wheelhouse, *base)


def checked(workspace):
    """(exit status, the findings of BETA by name)."""
    done = program("host", "check", workspace, "BETA", "--json")
    return done.returncode, json.loads(done.stdout)["BETA"]


def unmet(findings):
    return {name for name, finding in findings.items() if finding["met"] is False}


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_bare_host_is_told_prepared_used_and_put_right(site, wheelhouse):
    host, workspace = site
    status, before = checked(workspace)
    assert status == 1
    assert unmet(before) == {"python", "agent"}
    assert f"{host.root}/venv/bin/python is not on the host: prepare the host" in before["python"]["found"]
    assert "Linux" in before["python"]["found"]
    assert (before["root"]["met"], before["clock"]["met"], before["mlx"]["met"]) == (True, True, None)
    assert all(finding["found"] for finding in before.values())  # n/a has its reason

    (host.root / "venv").mkdir()  # as a call leaves it that was cut off right there
    done = prepare(workspace, wheelhouse)
    assert done.returncode == 0, done.stderr
    assert f"BETA: prepared: program 0.1.0, protocol {PROTOCOL}" in done.stdout
    status, after = checked(workspace)
    assert unmet(after) == {"mlx"}, after  # the small wheelhouse has none
    assert "No module named 'mlx'" in after["mlx"]["found"]
    ran = program("run", workspace, "make")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert list(host.root.glob("jobs/*/events.jsonl"))

    # another program's protocol is told by check, and put right by prepare
    (wire,) = host.root.glob("venv/lib/*/site-packages/operations/wire.py")
    wire.write_text(wire.read_text().replace(f"PROTOCOL = {PROTOCOL}", "PROTOCOL = 7"))
    status, wrong = checked(workspace)
    assert (status, "agent" in unmet(wrong)) == (1, True)
    assert f"protocol 7; this console speaks protocol {PROTOCOL}" in wrong["agent"]["found"]
    flip(next((host.root / "wheelhouse").glob("psutil*")))
    (host.root / "wheelhouse" / "psutil-1.0-py3-none-any.whl").write_text("of a program before")
    again = prepare(workspace, wheelhouse)
    assert again.returncode == 0, again.stderr
    assert "5 of 6 files are there already" in again.stdout
    assert again.stdout.count("sending") == 1
    assert "is installed anew" in again.stdout
    assert len(list((host.root / "wheelhouse").glob("*.whl"))) == 4
    assert f"prepared: program 0.1.0, protocol {PROTOCOL}" in again.stdout
    untouched = prepare(workspace, wheelhouse)
    assert untouched.returncode == 0
    assert "was installed already" in untouched.stdout
    assert "sending" not in untouched.stdout


def ended_at(arguments, mark, act):
    """Runs a command, does ``act`` when it says ``mark``; (exit status, what it said, its errors)."""
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        said = []
        for line in running.stdout:
            said.append(line)
            if mark in line:
                act(running)
                break
        rest, errors = running.communicate(timeout=60)
    return running.returncode, "".join(said) + rest, errors


def test_cut_while_sending_and_stopped_while_installing_it_goes_on(lab, site, wheelhouse):
    host, workspace = site
    words = ("host", "prepare", workspace, "BETA", "--wheelhouse", wheelhouse, "--base", sys.executable)
    lab.rate("beta", "8mbit")
    status, said, errors = ended_at(command(*words), "sending 2 of", lambda _: lab.kill_sessions("beta"))
    assert status == 1
    assert "a second call goes on from what is there" in errors
    assert len(errors.splitlines()) == 1
    assert "making the virtual environment" not in said
    assert len(list((host.root / "wheelhouse").glob("*.whl"))) == 1
    lab.rate("beta", None)

    stop = ended_at(command(*words), "installing what requirements.txt", lambda p: p.send_signal(signal.SIGINT))
    assert stop[0] == 130, stop
    assert "1 of 6 files are there already" in stop[1]
    done = program(*words)
    assert done.returncode == 0, done.stderr
    assert "6 files are on the host, 0 of them sent now" in done.stdout
    assert "making the virtual environment" not in done.stdout
    assert f"prepared: program 0.1.0, protocol {PROTOCOL}" in done.stdout


def test_two_calls_at_once_do_not_prepare_one_host(lab, site, wheelhouse):
    """The second says so and touches nothing; once the first is gone, by whatever end, the way is free."""
    _, workspace = site
    words = ("host", "prepare", workspace, "BETA", "--wheelhouse", wheelhouse, "--base", sys.executable)
    seconds = []

    def second(first):
        seconds.append(program(*words))
        first.kill()

    lab.rate("beta", "8mbit")
    ended_at(command(*words), "sending 1 of", second)
    lab.rate("beta", None)
    assert seconds[0].returncode == 2
    (told,) = seconds[0].stderr.splitlines()
    assert told.endswith("BETA: another call prepares this host just now: wait until it has ended, then call again")
    assert "sending" not in seconds[0].stdout
    done = program(*words)
    assert done.returncode == 0, done.stderr
    assert "prepared: program" in done.stdout


def test_what_must_not_be_installed_is_refused_before_the_host_is_touched(site, wheelhouse, tmp_path):
    host, workspace = site
    wrong = Path(shutil.copytree(wheelhouse, tmp_path / "wrong"))
    flip(next(wrong.glob("msgspec*")))
    refused = prepare(workspace, wrong)
    assert refused.returncode == 2
    assert f"{next(wrong.glob('msgspec*')).name}: is not the file that the manifest has locked" in refused.stderr

    manifest = msgspec.json.decode((wheelhouse / MANIFEST).read_bytes())
    (wrong / MANIFEST).write_bytes(msgspec.json.encode({**manifest, "protocol": 7}))
    refused = prepare(workspace, wrong)
    assert (refused.returncode, f"speaks protocol 7, this console {PROTOCOL}" in refused.stderr) == (2, True)

    targets = [f"{small.here().platform}/3.99"]
    (wrong / MANIFEST).write_bytes(msgspec.json.encode({**manifest, "targets": targets}))
    refused = prepare(workspace, wrong)
    assert (refused.returncode, "no Python 3.99 on the host" in refused.stderr) == (2, True)
    assert f"is {small.PYTHON}" in refused.stderr
    assert prepare(workspace, tmp_path / "none").returncode == 2
    assert list(host.root.iterdir()) == []

    (host.root / "venv").mkdir()
    (host.root / "venv" / "mine").write_text("somebody else's")
    refused = prepare(workspace, wheelhouse)
    assert refused.returncode == 2
    assert "was not made by this program" in refused.stderr
    assert [path.name for path in host.root.rglob("*")] == ["venv", "mine"]


def test_a_local_host_needs_no_preparing_and_is_checked(site):
    _, workspace = site
    done = program("host", "prepare", workspace, "ALPHA")
    assert (done.returncode, done.stdout) == (0, "ALPHA: is this machine: there is nothing to prepare\n")
    shown = program("host", "check", workspace, "ALPHA").stdout
    assert f"  agent     met      program 0.1.0, protocol {PROTOCOL}\n" in shown
    assert "  host key  n/a      it is this machine\n" in shown
    unknown = program("host", "check", workspace, "GAMMA")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        "gladiator-console: no host GAMMA in this site; it has ALPHA, BETA\n",
    )


async def found(host):
    return {finding.name: finding for finding in await looking.look(host, host.root)}


async def test_how_far_one_came_is_told_apart(lab, far, tmp_path):
    (tmp_path / "none").write_text("")
    unknown = await found(far(known_hosts=str(tmp_path / "none")))
    assert (unknown["reached"].met, unknown["host key"].met, unknown["user"].met) == (True, False, None)
    assert "ssh-keygen -lf" in unknown["host key"].found
    denied = await found(far(user="nobody"))
    assert (denied["reached"].met, denied["host key"].met, denied["user"].met) == (True, True, False)
    lab.stop_sshd("alpha")
    away = await found(far())
    assert (away["reached"].met, away["host key"].met) == (False, None)
    assert "refuses connections" in away["reached"].found
    assert tuple(away) == looking.CHECKS
    assert all(finding.met is None for finding in list(away.values())[1:])


FAULTS = {
    "up": f"blue_combat is up: program 0.1.0, protocol {PROTOCOL}",
    "down": "the Docker daemon is down",
    "stopped": "the container blue_combat is stopped",
    "none": "there is no container green_combat",
    "docker": "/none/docker can't be run on the host: install Docker",
    "python": "/none/python can't be run in the container",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_is_wrong_with_a_container_is_told_apart(tmp_path, agent, fault):
    docker = Path(shutil.copy(TESTS / "lab" / "docker", tmp_path / "docker"))
    (tmp_path / "state").write_text(fault if fault in ("down", "stopped") else "up")
    changed = {
        "none": {"container": "green_combat"},
        "docker": {"docker": "/none/docker"},
        "python": {"container_python": "/none/python"},
    }.get(fault, {})
    inside = {"container": "blue_combat", "container_root": str(tmp_path), "container_python": agent}
    host = Host(root="/r", **{**inside, "docker": str(docker), **changed})
    finding = await looking.container(Here(), host)
    assert finding.met is (fault == "up")
    assert FAULTS[fault] in finding.found
    assert fault == "up" or "with gladiator-console and what a wheelhouse's requirements.txt names" in finding.todo
    if fault in ("up", "down", "stopped", "python"):
        asked = (tmp_path / "asked").read_text().split()
        assert asked[:3] == ["exec", "-i", "blue_combat"]
        assert "pip" not in asked  # nothing is installed there


@pytest.mark.parametrize(("offset", "within", "met"), [(0.9, 0.0, True), (-1.2, 0.1, False), (1.2, 0.3, True)])
def test_a_clock_that_is_off_by_more_than_a_second_is_told(offset, within, met):
    assert bare.Clock(offset, within).finding().met is met


def test_free_disk_as_df_tells_it():
    assert bare.parse_df("Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 9 1 8 12% /a b\n") == 8192
    for text in ("", "df: /none: No such file or directory\n", "a b c d e f\n"):
        with pytest.raises(ValueError, match="df does not tell"):
            bare.parse_df(text)


def test_a_host_of_another_version_is_told():
    def agent(protocol=PROTOCOL, version="0.1.0"):
        versions = {"gladiator-console": version}
        return looking.agent(HostReport(protocol=protocol, versions=versions, time=0.0, findings=[]))

    assert agent().met is True
    assert "is 0.1.0" in agent(version="0.0.9").found
    assert agent(version="0.0.9").met is False
    assert agent(protocol=PROTOCOL + 1).met is False


async def test_a_host_judges_only_what_is_its_own(script):
    claims = [{"name": name, "met": True, "found": "trust me"} for name in ("agent", "host key", "sleep", "fame")]
    report = {"protocol": PROTOCOL + 1, "versions": {}, "time": 0.0, "findings": claims}
    said = script("report", json.dumps(report))
    python = script("liar", f'#!/bin/sh\n[ "$1" = -I ] && echo 3.11.0 0.0 || cat {said}\n')
    findings = await found(Host(root="/r", python=python))
    assert (findings["sleep"].found, findings["agent"].met) == ("trust me", False)
    assert findings["host key"].found == "it is this machine"
    assert findings["clock"].met is False  # its clock says 1970
    assert tuple(findings) == looking.CHECKS


def test_what_a_host_says_is_cleaned():
    assert looking._told(Finding("disk", False, "\x1b[2Jfull", "\x07do")) == Finding("disk", False, "full", "\ufffddo")


def test_the_program_says_how(tmp_path):
    said = program("host", "prepare", "--help").stdout
    assert "--wheelhouse" in said
    assert "--base" in said
    assert program("host").returncode == 2
    assert not list(tmp_path.iterdir())
