"""A job is followed through everything that can end a connection, and nothing of it is lost, doubled or late."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil

FOLLOWING = Path(__file__).with_name("following.py")
CUTS = ["link"] * 20 + ["sshd"] * 20 + ["console"] * 10
LONG = 3
"""Of the cut links, those that stay down until nobody thinks any more that they may come back by themselves."""
BACK_SECONDS = 2.0
"""Within which a link that is there again is used, beside what a fresh ``ssh HOST true`` takes."""


class Console:
    """The console's process, and the mirror that it writes."""

    def __init__(self, workspace, host) -> None:
        self._command = [sys.executable, "-P", str(FOLLOWING), str(workspace), msgspec.json.encode(host).decode()]
        self.mirror = workspace / "mirror/A/j1/events.jsonl"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill(self) -> None:
        self.process.kill()
        assert self.process.communicate() == (b"", b"")

    def size(self) -> int:
        return self.mirror.stat().st_size if self.mirror.exists() else 0

    def ends(self) -> tuple[bytes, bytes]:
        return self.process.communicate(timeout=30)


async def test_fifty_cuts_lose_and_double_nothing(lab, far, over_ssh, count, until, tmp_path):
    chance = random.Random(50)
    host = far()
    hosts = over_ssh(A=host)
    await hosts.launch("A", count(steps=1_000_000, pause=0.002))
    await hosts.close()
    there = lab.host["alpha"].root / "jobs/j1/events.jsonl"
    (supervisor,) = [
        p for p in psutil.process_iter(["cmdline"]) if {"run", str(there.parent)} <= set(p.info["cmdline"] or ())
    ]
    console = Console(tmp_path / "workspace", host)
    await until(console.size)
    cuts, late = chance.sample(CUTS, len(CUTS)), []
    long = [at for at, cut in enumerate(cuts) if cut == "link"][:LONG]
    for at, cut in enumerate(cuts):
        if cut == "link":
            lab.cut("alpha")
            written = there.stat().st_size + (500 if at not in long else 100_000)
            await until(lambda end=written: there.stat().st_size > end)
            if at in long:
                await until(lambda: not connected(console.process))
            lab.restore("alpha")
        elif cut == "sshd":
            assert lab.kill_sessions("alpha")
        else:
            console.kill()
            console.start()
        began, before = time.monotonic(), there.stat().st_size
        await until(lambda end=before: console.size() > end)
        back = time.monotonic() - began
        if cut == "link":
            began = time.monotonic()
            subprocess.run(lab.ssh("alpha", "true"), check=True)
            late.append(back - (time.monotonic() - began))
    assert max(late) < BACK_SECONDS
    assert supervisor.is_running()
    hosts = over_ssh(A=host)
    await hosts.stop("A", "j1")
    assert console.ends() == (b"followed\n", b"")
    mirrored = console.mirror.read_bytes()
    assert mirrored == there.read_bytes()
    assert msgspec.json.decode(mirrored.splitlines()[-1])["outcome"] == "stopped"
    assert mirrored.count(b'"type":"metric"') == len(set(mirrored.splitlines())) - mirrored.count(b'"type":"log"') - 1


def connected(process) -> bool:
    return any(c.status == psutil.CONN_ESTABLISHED for c in psutil.Process(process.pid).net_connections("tcp"))


async def test_agents_end_with_their_console_and_jobs_do_not(lab, far, over_ssh, count, until, tmp_path):
    hosts = over_ssh(A=far())
    await hosts.launch("A", count(steps=1_000_000, pause=0.01))
    await hosts.close()
    console = Console(tmp_path / "workspace", far())
    await until(console.size)
    assert lab.sessions("alpha")
    console.process.send_signal(signal.SIGKILL)
    console.process.communicate()
    await until(lambda: not lab.sessions("alpha"))
    await until(lambda: not agents(lab))
    hosts = over_ssh(A=far())
    assert await hosts.probe("A", "j1") == "running"
    assert len(agents(lab)) == 1  # the control
    lab.kill_sessions("alpha")
    await until(lambda: not agents(lab))
    assert await hosts.probe("A", "j1") == "running"


def agents(lab) -> list[psutil.Process]:
    root = str(lab.host["alpha"].root)
    return [p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[-2:] == ["agent", root]]
