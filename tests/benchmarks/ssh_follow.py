"""What following hosts over SSH costs, in the lab of `tests/lab/host_lab.py`; needs root on Linux.

``python -P tests/benchmarks/ssh_follow.py [--pairs 9] [--megabytes 300] [--lines 300] [--seconds 60] [--agents 100]``
prints one table; exit status 1 if a target is missed. Targets:

- A log is followed at least at 0.8 x the bytes/s of ``ssh HOST cat`` of the same file with the client's own settings.
  Both begin with nothing, a connection and an agent included, and end with the whole file here; each pair is run one
  after the other, whoever begins changes, and both copies are compared with the original.
- A single line is in the mirror, and told, at most 250 ms after it was written: p95.
- Three hosts' readings, once a second, take this console less than 1 % of a core; of 100 hosts less than 10 %. The 100
  are stub agents that say the same reading once a second, each over a connection of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import filecmp
import importlib.metadata
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lab"))

from host_lab import HostLab, Unavailable  # noqa: E402

from console.hosts.hosts import Hosts  # noqa: E402
from console.plan.sites import Host, Site  # noqa: E402
from operations.job import EVENTS, LOCK  # noqa: E402

RATIO, LATENCY, THREE, HUNDRED = 0.8, 250.0, 1.0, 10.0
GCM = "-caes128-gcm@openssh.com"
LINE = b'{"type":"log","t":1.5,"text":"step 123456 loss 0.123456 %s"}\n' % (b"and some words of a log " * 3)
LAST = b'{"type":"finished","t":2.0,"outcome":"done"}\n'
STUB = """#!{python} -P
import sys, threading, time
from operations import wire
from operations.host.readings import Reading
out = sys.stdout.buffer
said = wire.MAGIC + wire.encode(wire.Hello(protocol=wire.PROTOCOL, versions={{}}))
asked = wire.Parser()
out.write(said); out.flush()
def tell():
    while True:
        reading = Reading(t=time.time(), cpu_percent=5.0, ram_used=1 << 34, ram_total=1 << 36, disk_free=1, load1=1.0)
        out.write(wire.encode(wire.Sample(reading=reading))); out.flush()
        time.sleep(1)
while data := sys.stdin.buffer.read1(65536):
    for frame in asked.feed(data):
        if isinstance(frame.message, wire.Readings):
            out.write(wire.encode(wire.Done(id=frame.message.id)))
            threading.Thread(target=tell, daemon=True).start()
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="throughput, latency and CPU of hosts over SSH")
    parser.add_argument("--pairs", type=int, default=9, help="times that the log is copied each way")
    parser.add_argument("--megabytes", type=int, default=300, help="of the log")
    parser.add_argument("--lines", type=int, default=300, help="single lines whose way is timed")
    parser.add_argument("--seconds", type=float, default=60.0, help="to listen to readings")
    parser.add_argument("--agents", type=int, default=100, help="stub agents")
    given = parser.parse_args()
    os.environ.pop("SSH_AUTH_SOCK", None)
    try:
        with HostLab() as lab, tempfile.TemporaryDirectory() as directory:
            bench = Bench(lab, Path(directory))
            copied = bench.copies(given.pairs, given.megabytes * 1_000_000)
            waits = asyncio.run(bench.lines(given.lines))
            three = asyncio.run(bench.readings(dict(zip("ABC", map(bench.host, lab.host), strict=True)), given.seconds))
            stub = Path(directory) / "stub"
            stub.write_text(STUB.format(python=sys.executable))
            stub.chmod(0o755)
            names = [list(lab.host)[at % len(lab.host)] for at in range(given.agents)]
            many = {f"H{at}": bench.host(name, python=str(stub)) for at, name in enumerate(names)}
            hundred = asyncio.run(bench.readings(many, given.seconds))
    except Unavailable as reason:
        print(f"not run: {reason}", file=sys.stderr)
        return 2
    return report(given, copied, waits, three, hundred)


class Bench:
    """Measures in one lab."""

    def __init__(self, lab: HostLab, directory: Path) -> None:
        self._lab = lab
        self._directory = directory
        self._made = 0

    def host(self, name: str, python: str = sys.executable) -> Host:
        there = self._lab.host[name]
        return Host(
            link="ssh",
            address=there.address,
            user=there.user,
            identity=str(there.identity),
            known_hosts=str(there.known_hosts),
            root=str(there.root),
            python=python,
        )

    def hosts(self, table: dict[str, Host]) -> tuple[Hosts, Path]:
        """Hosts with a workspace that has nothing yet."""
        self._made += 1
        workspace = self._directory / str(self._made)
        return Hosts(Site(schema=1, id="s", title="t", host=table), workspace), workspace

    def job(self, name: str) -> Path:
        """A job's directory on alpha; its events."""
        directory = self._lab.host["alpha"].root / "jobs" / name
        directory.mkdir(parents=True)
        return directory / EVENTS

    def copies(self, pairs: int, size: int) -> dict[str, list[float]]:
        """Bytes/s of each way, one a pair."""
        log = self.job("log")
        with log.open("wb") as file:
            block = LINE * 10_000
            for _ in range(size // len(block)):
                file.write(block)
            file.write(LAST)
        ways = {
            "cat": lambda: self._cat(log),
            "cat, aes128-gcm": lambda: self._cat(log, GCM),
            "follow": lambda: asyncio.run(self._follow(log)),
        }
        for way in ways.values():  # once for the caches
            way()
        found: dict[str, list[float]] = {name: [] for name in ways}
        for pair in range(pairs):
            for name in ways if pair % 2 else reversed(ways):
                found[name].append(log.stat().st_size / ways[name]())
        return found

    def _cat(self, log: Path, *options: str) -> float:
        copy = self._directory / "cat"
        ssh, *rest = self._lab.ssh("alpha", "cat", str(log))
        began = time.perf_counter()
        with copy.open("wb") as out:
            subprocess.run([ssh, *options, *rest], stdout=out, check=True)
        took = time.perf_counter() - began
        return self._same(copy, log, took)

    async def _follow(self, log: Path) -> float:
        hosts, workspace = self.hosts({"A": self.host("alpha")})
        began = time.perf_counter()
        async for _ in hosts.follow("A", "log"):
            pass
        took = time.perf_counter() - began
        await hosts.close()
        return self._same(workspace / "mirror/A/log" / EVENTS, log, took)

    def _same(self, copy: Path, log: Path, took: float) -> float:
        if not filecmp.cmp(copy, log, shallow=False):
            raise RuntimeError(f"{copy} is not what stands on the host")
        copy.unlink()
        return took

    async def lines(self, count: int) -> list[float]:
        """Milliseconds from a line's writing to its being told here."""
        events = self.job("live")
        lock = os.open(events.with_name(LOCK), os.O_RDWR | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)  # the job lives
        hosts, _ = self.hosts({"A": self.host("alpha")})
        chance, waits = random.Random(1), []
        with events.open("ab", buffering=0) as stream:
            stream.write(LINE)
            followed = hosts.follow("A", "live")
            await anext(followed)
            for _ in range(count):
                await asyncio.sleep(chance.uniform(0.02, 0.3))
                wrote = time.perf_counter()
                stream.write(LINE)
                if await anext(followed) != LINE:
                    raise RuntimeError("another line than was written")
                waits.append((time.perf_counter() - wrote) * 1e3)
            await followed.aclose()
        await hosts.close()
        os.close(lock)
        return waits

    async def readings(self, table: dict[str, Host], seconds: float) -> float:
        """% of a core that this process takes while all hosts tell their readings."""
        hosts, _ = self.hosts(table)
        while not all([len(hosts.readings(name)) >= 2 for name in table]):  # noqa: C419 (each is asked each time)
            await asyncio.sleep(0.2)
        before = {name: len(hosts.readings(name)) for name in table}
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        used, took = time.process_time() - cpu, time.perf_counter() - began
        heard = [len(hosts.readings(name)) - before[name] for name in table]
        if min(heard) < 0.8 * took:
            raise RuntimeError(f"a host told {min(heard)} readings in {took:.0f} s")
        await hosts.close()
        return used / took * 100


def report(
    given: argparse.Namespace, copied: dict[str, list[float]], waits: Sequence[float], three: float, hundred: float
) -> int:
    """Prints the table; 1 if a target is missed, else 0."""
    cores = len(os.sched_getaffinity(0))
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.split(",")[0]
    versions = f"Python {platform.python_version()}, asyncssh {importlib.metadata.version('asyncssh')}, {ssh}"
    print(f"{cores} cores, {platform.system()} {platform.machine()}, {versions}, load {os.getloadavg()[0]:.1f}")
    print(f"{'':44}{'median':>10}{'quartiles':>20}{'target':>10}")
    for name, values in copied.items():
        row(f"{name}, {given.megabytes} MB, MB/s", [value / 1e6 for value in values], "")
    ratios = [ours / theirs for ours, theirs in zip(copied["follow"], copied["cat"], strict=True)]
    row(f"follow to cat, {len(ratios)} pairs, ratio", ratios, f">= {RATIO}")
    same = [ours / theirs for ours, theirs in zip(copied["follow"], copied["cat, aes128-gcm"], strict=True)]
    row("follow to cat with the same cipher, ratio", same, "")
    row(f"a line to the mirror, {len(waits)}, ms", waits, "")
    late = quantiles(waits, n=100, method="inclusive")[94]
    print(f"{'  p95, ms':44}{late:>10.1f}{'':20}{f'<= {LATENCY:.0f}':>10}")
    print(f"{'readings of 3 hosts, % of a core':44}{three:>10.2f}{'':20}{f'< {THREE:.0f}':>10}")
    print(f"{f'readings of {given.agents} stub agents, % of a core':44}{hundred:>10.2f}{'':20}{f'< {HUNDRED:.0f}':>10}")
    targets = {
        "follow to cat": median(ratios) >= RATIO,
        "p95": late <= LATENCY,
        "three hosts": three < THREE,
        "stub agents": hundred < HUNDRED,
    }
    missed = [name for name, met in targets.items() if not met]
    print(f"missed: {', '.join(missed)}" if missed else "all targets met")
    return 1 if missed else 0


def row(what: str, values: Sequence[float], target: str) -> None:
    low, _, high = quantiles(values, n=4, method="inclusive")
    print(f"{what:44}{median(values):>10.2f}{f'{low:.2f} to {high:.2f}':>20}{target:>10}")


if __name__ == "__main__":
    sys.exit(main())
