"""What other tests take for granted of the lab."""

import socket
import subprocess
import time

import psutil
import pytest

FETCH = "import urllib.request; print(urllib.request.urlopen('http://example.com/', timeout=2).status)"


def reaches(lab, name, address, port=22):
    script = f"import socket; socket.create_connection(({address!r}, {port}), 2)"
    return lab.run(name, "python3", "-c", script).returncode == 0


def test_hosts_reach_each_other_and_nothing_else(lab):
    assert reaches(lab, "alpha", lab.host["beta"].address)
    assert reaches(lab, "alpha", lab.host["beta"].address6) is False  # sshd listens on IPv4 alone
    assert not reaches(lab, "alpha", "8.8.8.8", 53)
    assert lab.run("alpha", "ip", "route", "show", "default").stdout == ""
    assert lab.run("alpha", "getent", "hosts", "beta").stdout.split()[0] == lab.host["beta"].address


def test_a_leak_is_there_until_it_is_sealed(lab):
    lab.leak("alpha")
    assert lab.run("alpha", "python3", "-c", FETCH).stdout == "204\n"
    assert reaches(lab, "alpha", "2001:4860:4860::8888", 443)
    assert not reaches(lab, "beta", "8.8.8.8", 53)
    lab.leak("alpha", captive=True)
    assert lab.run("alpha", "getent", "hosts", "example.com").returncode == 0
    assert reaches(lab, "alpha", "8.8.8.8", 53)
    assert not reaches(lab, "alpha", "1.1.1.1", 53)
    lab.seal("alpha")
    assert lab.run("alpha", "getent", "hosts", "example.com").returncode != 0
    assert not reaches(lab, "alpha", "8.8.8.8", 53)


def lives(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_sessions_are_killed_and_what_they_started_is_not(lab):
    session = subprocess.Popen(
        lab.ssh("alpha", "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!; cat"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    pid = int(session.stdout.readline())
    assert lab.kill_sessions("beta") == 0
    assert lab.kill_sessions("alpha") >= 1
    assert session.wait(10) == 255
    assert lives(pid)
    assert subprocess.run(lab.ssh("alpha", "true")).returncode == 0
    lab.heal()
    assert not lives(pid)
    session.stdin.close()
    session.stdout.close()


def test_a_cut_link_and_a_stopped_listener(lab):
    address = lab.host["alpha"].address
    lab.cut("alpha")
    assert not reaches(lab, "beta", address)
    assert reaches(lab, "beta", lab.host["air"].address)
    lab.restore("alpha")
    assert reaches(lab, "beta", address)
    lab.stop_sshd("alpha")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, 22), 2)
    lab.heal()
    socket.create_connection((address, 22), 2).close()


def test_a_limited_link_is_as_slow_as_said(lab):
    def seconds():
        began = time.monotonic()
        copied = subprocess.run(lab.ssh("alpha", "head -c 4000000 /dev/zero"), capture_output=True)
        assert len(copied.stdout) == 4_000_000
        return time.monotonic() - began

    lab.rate("alpha", "16mbit")
    limited = seconds()
    assert limited > 1.5  # 2 s less what a full bucket lets through
    lab.rate("alpha", None)
    assert seconds() < limited
