"""Everything that can be wrong with a host over SSH is a state with its reason, and never anybody else's trouble."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from console.hosts import channel, ssh
from console.hosts.hosts import HostRefused, HostUnreachable
from console.hosts.place import Place
from console.hosts.ssh import SshHost
from operations import events, wire
from operations.wire import MAGIC

RESOLVE = socket.getaddrinfo


def other_key(lab, tmp_path, name="other"):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)], check=True)
    return tmp_path / name


def unknown(lab, tmp_path):
    (tmp_path / "known").write_text(lab.host["beta"].known_hosts.read_text().splitlines()[1] + "\n")
    return {"known_hosts": str(tmp_path / "known")}


def changed(lab, tmp_path):
    key = other_key(lab, tmp_path).with_suffix(".pub").read_text()
    (tmp_path / "known").write_text(f"{lab.host['alpha'].address} {key}")
    return {"known_hosts": str(tmp_path / "known")}


def other_kind(lab, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "ecdsa")], check=True)
    (tmp_path / "known").write_text(f"{lab.host['alpha'].address} {(tmp_path / 'ecdsa.pub').read_text()}")
    return {"known_hosts": str(tmp_path / "known")}


def many_keys(lab, tmp_path):
    """Of a configuration with more keys than a server looks at, the right one last."""
    names = [str(other_key(lab, tmp_path, f"other{at}")) for at in range(7)] + [str(lab.host["alpha"].identity)]
    (tmp_path / "home/.ssh/config").write_text("Host *\n" + "".join(f"  IdentityFile {name}\n" for name in names))
    return {"identity": ""}


def garbled(lab, tmp_path):
    (tmp_path / "garbled").write_text("no key\n")
    return {"identity": str(tmp_path / "garbled")}


def encrypted(lab, tmp_path):
    shutil.copy(lab.host["alpha"].identity, tmp_path / "locked")
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(tmp_path / "locked")], check=True)
    return {"identity": str(tmp_path / "locked")}


def configured(lab, tmp_path):
    (tmp_path / "home/.ssh/config").write_text("Host *\n  Port many\n")
    return {}


def stopped(lab, tmp_path):
    lab.stop_sshd("alpha")
    return {}


def hanging(lab, tmp_path):
    lab.listener("alpha").suspend()
    return {}


FAULTS = {
    "unknown key": (
        unknown,
        r"the host key of 10\S+ is unknown: it shows ssh-ed25519 SHA256:\S+; compare .*add the key",
    ),
    "changed key": (changed, r"THE HOST KEY OF 10\S+ HAS CHANGED: it shows ssh-ed25519 SHA256:.*Somebody may be in"),
    "key of another kind": (other_kind, r"THE HOST KEY OF 10\S+ HAS CHANGED: it shows ssh-ed25519 SHA256:"),
    "many keys": (many_keys, r"10\S+ was offered too many keys for root: set `identity` in the site's file"),
    "wrong user": (
        {"user": "nobody"},
        r"permission denied for nobody at 10\S+ with .*/id: correct `user` or `identity`",
    ),
    "wrong key": (
        lambda lab, tmp_path: {"identity": str(other_key(lab, tmp_path))},
        r"permission denied for root at 10\S+ with .*/other: correct",
    ),
    "locked key": (encrypted, r"permission denied for root .*/locked, which is encrypted: add it to the ssh-agent"),
    "no route": ({"address": "10.77.0.99"}, r"no route to 10.77\S+ \(.*\): look at cable"),
    "refused": (stopped, r"10\S+ refuses connections: start sshd"),
    "another port": ({"port": 2222}, r"10\S+ port 2222 refuses connections: start sshd there, or correct `port`"),
    "hanging": (hanging, r"no answer from 10\S+ within 1 s: it is off, hangs"),
    "no name": ({"address": "alhpa.local"}, r"the name alhpa.local is not found: correct `address`"),
    "no name at all": ({"address": "x" * 64 + ".local"}, r"the name x+.local is not found: correct `address`"),
    "no identity": ({"identity": "/none/id"}, r"the key file /none/id does not exist: correct `identity`"),
    "no known hosts": ({"known_hosts": "/none/known"}, r"/none/known does not exist: it holds the keys of the hosts"),
    "garbled identity": (garbled, r"a file of keys or of known hosts can't be read: .*"),
    "bad configuration": (configured, r"the SSH configuration can't be read: .*/home/.ssh/config line 2: .*Port"),
}


def resolved_here(name, port, family=0, type=0, proto=0, flags=0):
    """No resolver is asked for what is no address."""
    return RESOLVE(name, port, family, type, proto, flags | socket.AI_NUMERICHOST)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_link_that_can_not_be_opened(lab, far, over_ssh, tmp_path, monkeypatch, fault, until):
    monkeypatch.setattr(ssh, "CONNECT_SECONDS", 1.0 if fault == "hanging" else 10.0)
    monkeypatch.setattr(channel, "_HOPELESS", 1)
    monkeypatch.setattr(socket, "getaddrinfo", resolved_here)
    change, reason = FAULTS[fault]
    if callable(change):
        change = change(lab, tmp_path)
    elif change.get("address", "").startswith("10.77"):
        change = {"address": lab.host["alpha"].address.rpartition(".")[0] + ".99"}
    hosts = over_ssh(A=far(**change))
    with pytest.raises(HostUnreachable, match=reason):
        await hosts.probe("A", "j1")
    assert hosts.state("A").state in ("down", "connecting")
    assert "\n" not in hosts.state("A").reason
    (tmp_path / "home/.ssh/config").unlink(missing_ok=True)
    lab.heal()
    healthy = over_ssh(A=far())
    assert await healthy.probe("A", "j1") == "absent"


AGENTS = {
    "no python": ("", r"the agent ended: .*/absent is not on the host: prepare the host, or correct `python`"),
    "no program": ("", r"the agent ended: .*/agent can't be run on the host: .*"),
    "no operations": (
        "#!/bin/sh\necho $0: No module named operations >&2; exit 1\n",
        r"the agent ended: .*/agent has no operations: install gladiator-console there",
    ),
    "no login": (
        "#!/bin/sh\necho; echo This account is currently not available.; exit 1\n",
        r"no agent answered, but: This account is currently not available\.",
    ),
    "rubbish": ("#!/bin/sh\nhead -c 200000 /dev/urandom\n", r"no agent answered in the first 65536 bytes"),
    "endless": ("#!/bin/sh\nexec head -c 10000000000 /dev/zero\n", r"no agent answered in the first 65536 bytes"),
    "rubbish behind": (
        f"#!{sys.executable}\nimport sys\nsys.stdout.buffer.write({MAGIC!r} + b'\\xff' * 100)\n",
        r"a frame with lengths 4294967295 and 4294967295",
    ),
    "another protocol": (
        f"#!{sys.executable}\nimport sys\nfrom operations import wire\nsys.stdout.buffer.write("
        "wire.MAGIC + wire.encode(wire.Hello(protocol=99, versions={})))\nsys.stdout.flush(); sys.stdin.read()\n",
        r"the agent speaks protocol 99, this console 2",
    ),
    "escapes": (
        "#!/bin/sh\nprintf '\\033]52;c;ZXZpbA==\\007\\033[2Jkernel panic\\n' >&2; exit 1\n",
        r"^the agent ended: kernel panic$",
    ),
    "hanging": ("#!/bin/sh\nexec sleep 1000\n", r"the agent did not greet within 1 s"),
}


@pytest.mark.parametrize("fault", AGENTS)
async def test_an_agent_that_is_none(far, over_ssh, script, monkeypatch, fault):
    monkeypatch.setattr(channel, "_HOPELESS", 1)
    monkeypatch.setattr(channel, "_HELLO_SECONDS", 1.0 if fault == "hanging" else 30.0)
    text, reason = AGENTS[fault]
    python = script("agent", text) if fault != "no python" else "/none/absent"
    if fault == "no program":
        Path(python).chmod(0o644)
    before = psutil.Process().memory_info().rss
    hosts = over_ssh(A=far(python=python), B=far("beta"))
    assert await hosts.probe("B", "j1") == "absent"
    with pytest.raises(HostUnreachable, match=reason):
        await hosts.probe("A", "j1")
    assert psutil.Process().memory_info().rss - before < 100e6
    assert hosts.state("B").state == "up"


async def test_what_a_login_prints_first_is_skipped(far, over_ssh, script):
    agent = far().python
    loud = script(
        "loud", f"#!/bin/sh\nprintf '\\033[1mWelcome\\033[0m\\n\\n'; head -c 60000 /dev/zero; exec {agent} \"$@\""
    )
    hosts = over_ssh(A=far(python=loud))
    assert await hosts.probe("A", "j1") == "absent"
    assert str(hosts.state("A")) == "up"


async def test_a_job_is_launched_followed_stopped_and_its_host_read(lab, far, over_ssh, count, until, tmp_path):
    hosts = over_ssh(A=far())
    assert await hosts.probe("A", "j1") == "absent"
    asked = count(steps=100_000, pause=0.01)
    await hosts.launch("A", asked)
    await hosts.launch("A", asked)
    assert await hosts.probe("A", "j1") == "running"
    assert hosts.readings("A") == ()
    await until(lambda: len(hosts.readings("A")) >= 2)
    following = asyncio.create_task(everything(hosts, "A", "j1"))
    await until(lambda: hosts.events_file("A", "j1").exists())
    await hosts.stop("A", "j1")
    data = await following
    assert events.decode(data.splitlines()[-1]).outcome == "stopped"
    there = lab.host["alpha"].root / "jobs/j1/events.jsonl"
    assert there.read_bytes() == data == (tmp_path / "workspace/mirror/A/j1/events.jsonl").read_bytes()
    assert await hosts.probe("A", "j1") == "finished"
    with pytest.raises(HostRefused, match="not on this host"):
        await hosts.stop("A", "j9")
    assert len(lab.sessions("alpha")) == 1
    await hosts.close()
    await until(lambda: not lab.sessions("alpha"))


async def everything(hosts, host, job):
    return b"".join([lines async for lines in hosts.follow(host, job)])


async def test_a_line_without_end_ends_its_following_and_nothing_else(lab, far, over_ssh, until, count):
    """A far file of 2 GB with no newline in it; a neighbour's job on the same connection is followed to its end."""
    directory = lab.host["alpha"].root / "jobs/endless"
    directory.mkdir(parents=True)
    with (directory / "events.jsonl").open("wb") as file:
        file.truncate(2_000_000_000)
    hosts = over_ssh(A=far())
    await hosts.launch("A", count(steps=100, pause=0.01))
    with pytest.raises(HostUnreachable, match="the host sent a line of more than"):
        await everything(hosts, "A", "endless")
    assert events.decode((await everything(hosts, "A", "j1")).splitlines()[-1]).outcome == "done"
    assert hosts.events_file("A", "endless").stat().st_size == 0


async def test_what_needs_help_is_tried_seldom_but_at_once_when_asked(lab, far, over_ssh, tmp_path, monkeypatch, until):
    monkeypatch.setattr(channel, "_STEADY", 0.2)
    hosts = over_ssh(A=far(**unknown(lab, tmp_path)))
    with pytest.raises(HostUnreachable, match="is unknown"):
        await hosts.probe("A", "j1")
    shutil.copy(lab.host["alpha"].known_hosts, tmp_path / "known")
    since = hosts.state("A").since
    await asyncio.sleep(1.5)  # the usual way it would be up by now
    assert "is unknown" in hosts.state("A").reason
    assert hosts.state("A").since == since
    assert await hosts.probe("A", "j1") == "absent"


async def test_another_host_of_the_operators_configuration_and_its_agent(lab, far, over_ssh, tmp_path, monkeypatch):
    """Address, user and port come from ~/.ssh/config, the signature from an agent, which is not lent to the host."""
    (tmp_path / "home/.ssh/config").write_text(
        f"Host trainer\n  HostName {lab.host['alpha'].address}\n  User root\n  ForwardAgent yes\n"
        "  RequestTTY force\n  RemoteCommand false\n  UserKnownHostsFile none\n"
    )
    host = far(address="trainer", user="", **encrypted(lab, tmp_path))
    hosts = over_ssh(A=host)
    with pytest.raises(HostUnreachable, match="add it to the ssh-agent"):
        await hosts.probe("A", "j1")
    socket = tmp_path / "agent.sock"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            await asyncio.sleep(0.01)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        subprocess.run(["ssh-add", "-q", str(lab.host["alpha"].identity)], check=True, stderr=subprocess.DEVNULL)
        assert await over_ssh(A=host).probe("A", "j1") == "absent"
        (served,) = [p for p in lab.sessions("alpha")[0].children(recursive=True) if "agent" in p.cmdline()][:1]
        assert "SSH_AUTH_SOCK" not in served.environ()
    finally:
        agent.terminate()
        agent.wait()


async def test_a_host_behind_another(lab, far, over_ssh, tmp_path):
    beta = lab.host["beta"]
    hosts = over_ssh(A=far(jump=f"root@{beta.address}:22"))
    assert await hosts.probe("A", "j1") == "absent"
    there = lab.run("alpha", "ss", "-Htn", "state", "established").stdout
    assert beta.address in there
    assert lab.console not in there
    await hosts.close()
    (tmp_path / "home/.ssh/config").write_text(
        f"Host trainer\n  HostName {lab.host['alpha'].address}\n  ProxyJump root@{beta.address}\n"
        "Host *\n  UserKnownHostsFile none\n"
    )
    configured = over_ssh(A=far(address="trainer"))
    assert await configured.probe("A", "j1") == "absent"
    assert lab.console not in lab.run("alpha", "ss", "-Htn", "state", "established").stdout
    known = tmp_path / "known"
    known.write_text(next(line for line in beta.known_hosts.read_text().splitlines(True) if beta.address not in line))
    with pytest.raises(HostUnreachable, match=f"the host key of the jump host {beta.address} is unknown"):
        await over_ssh(A=far(address="trainer", known_hosts=str(known))).probe("A", "j1")
    lab.stop_sshd("alpha")
    with pytest.raises(HostUnreachable, match=f"the jump host reaches no {lab.host['alpha'].address}: .*refused"):
        await over_ssh(A=far(jump=f"root@{beta.address}")).probe("A", "j1")


async def test_a_host_that_hangs_and_a_cut_link_are_found_in_seconds_and_trouble_nobody(
    lab, far, over_ssh, until, count
):
    hosts = over_ssh(A=far(), B=far("beta"))
    await hosts.launch("B", count(steps=100_000, pause=0.01))
    stream = asyncio.create_task(everything(hosts, "B", "j1"))
    assert await hosts.probe("A", "j1") == "absent"
    for session in lab.sessions("alpha"):
        session.suspend()
    lab.listener("alpha").suspend()
    await until(lambda: hosts.state("A").state != "up", 8)
    assert "the link is cut" in hosts.state("A").reason
    for process in (lab.listener("alpha"), *lab.sessions("alpha")):
        process.send_signal(signal.SIGCONT)
    await until(lambda: hosts.state("A").state == "up", 15)
    lab.cut("alpha")
    await until(lambda: hosts.state("A").state != "up", 8)
    size = hosts.events_file("B", "j1").stat().st_size
    await until(lambda: hosts.events_file("B", "j1").stat().st_size > size, 2)
    assert hosts.state("B").state == "up"
    lab.restore("alpha")
    await until(lambda: hosts.state("A").state == "up", 5)
    await hosts.stop("B", "j1")
    assert events.decode((await stream).splitlines()[-1]).outcome == "stopped"


async def test_an_agent_that_is_ended_twice_leaves_another_of_its_host_the_connection(far):
    there = far()
    shared = SshHost(there)
    twice, other = [await shared.link(Place(there.root, there.python)).open() for _ in range(2)]
    await twice.close()
    await twice.close()
    other.writer.write(wire.MAGIC + wire.encode(wire.Hello(protocol=wire.PROTOCOL, versions={})))
    await other.writer.drain()
    assert wire.MAGIC in await other.reader.read(65_536)
    await other.close()


async def test_asyncssh_comes_with_the_first_connection_only(far, tmp_path):
    script = """
import asyncio, sys
from pathlib import Path
from console.hosts.hosts import Hosts, HostUnreachable
from console.hosts.place import Place
from console.hosts.ssh import SshHost
from console.plan.sites import Host, Site
async def main():
    host = Host(link="ssh", address="127.0.0.1", known_hosts="/none", root="/x")
    hosts = Hosts(Site(schema=1, id="s", title="t", host={"A": host}), Path(sys.argv[1]))
    assert hosts.state("A").state == "unused"
    assert "asyncssh" not in sys.modules
    try:
        await hosts.probe("A", "j1")
    except HostUnreachable:
        assert "asyncssh" in sys.modules
        print("looked")
    await hosts.close()
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-P", "-c", script, str(tmp_path)], capture_output=True, env=os.environ)
    assert (done.stdout, done.stderr) == (b"looked\n", b"")
