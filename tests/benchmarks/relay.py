"""What the console relays between two hosts, beside the same transfer by rsync over SSH and raw, past SSH.

``python tests/benchmarks/relay.py [--megabytes 500] [--rounds 3] [--rate 1gbit]`` as root. Ways take turns; each copy
is proven by its digest. Printed: the median rate and the spread, and by how much the console's loop was late meanwhile,
which is what a key may have to wait: asked are 50 ms in 99 of 100 looks. Exit status 1 if not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "lab")]
os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])

from host_lab import HostLab  # noqa: E402

from console.hosts.hosts import Hosts  # noqa: E402
from console.plan.sites import Host, Site  # noqa: E402
from operations import events  # noqa: E402
from operations.files import digest  # noqa: E402
from operations.job import JobFile  # noqa: E402

WAYS = ("relay", "rsync", "raw")
LOOK = 0.01
LATE = 0.05


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", default=None, help="of BETA's link, in tc's words")
    given = parser.parse_args()
    with HostLab() as lab, tempfile.TemporaryDirectory() as directory:
        lab.rate("beta", given.rate)
        found, late = asyncio.run(Bench(lab, Path(directory)).run(given.megabytes, given.rounds))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.platform()}, {os.cpu_count()} cores, all ends on them; load {load}")
    print(f"{given.megabytes} MB, {given.rounds} rounds, MB/s: median (lowest to highest)")
    for way, rates in found.items():
        print(f"  {way:8} {statistics.median(rates):7.0f}  ({min(rates):.0f} to {max(rates):.0f})")
    worst = statistics.quantiles(late, n=100)[98]
    print(f"the loop late while relaying: {1e3 * worst:.1f} ms in 99 of 100 looks, {1e3 * max(late):.1f} ms at most")
    return 0 if worst <= LATE else 1


class Bench:
    """Two hosts of the lab, ALPHA and BETA, as a console has them."""

    def __init__(self, lab: HostLab, directory: Path) -> None:
        self.lab = lab
        table = {name.upper(): self._host(name) for name in ("alpha", "beta")}
        self.hosts = Hosts(Site(schema=1, id="s", title="S", host=table), directory)
        self.late: list[float] = []

    def _host(self, name: str) -> Host:
        there = self.lab.host[name]
        keys = {"identity": str(there.identity), "known_hosts": str(there.known_hosts)}
        place = {"root": str(there.root), "python": sys.executable}
        return Host(link="ssh", address=there.address, user=there.user, **keys, **place)

    async def run(self, megabytes: int, rounds: int) -> tuple[dict[str, list[float]], list[float]]:
        """Each way's rates in MB/s, and by how many seconds each look of the loop was late while it relayed."""
        file = self.lab.host["beta"].root / "data.bin"
        file.write_bytes(secrets.token_bytes(1_000_000) * megabytes)
        sha256, size = digest(file)
        artefact = {"path": file.name, "sha256": sha256, "size": size, "job": "j0", "name": "data"}
        found: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(rounds):
            for way in WAYS:
                found[way].append(await self.bring(f"{way}{number}", way, artefact))
        await self.hosts.close()
        return found, self.late

    async def bring(self, id: str, way: str, artefact: dict[str, object]) -> float:
        """One transfer from BETA to ALPHA."""
        there = self.lab.host["alpha"]
        keys = {"identity": str(there.identity), "known_hosts": str(there.known_hosts)}
        relay = {"relay": {"why": "asked for (via)"}} if way == "relay" else {}
        given = {"artefact": artefact, "via": way, "address": there.address, **relay, **keys}
        async with self.hosts.relay("BETA", "ALPHA") as carried:
            await self._launch("ALPHA", id, "sink", given)
            address, port = await self._endpoint(id)
            if relay:
                carried.lead(port)
                address, port = carried.address, carried.port
            looking = asyncio.create_task(self._look()) if relay else None
            await self._launch("BETA", id, "source", {**given, "endpoint_address": address, "endpoint_port": port})
            rate = await self._rate(id)
            if looking:
                looking.cancel()
        (there.root / "jobs" / id / "artefacts" / "data.bin").unlink()
        return rate

    async def _launch(self, host: str, id: str, role: str, given: dict[str, object]) -> None:
        operation, parameters = "network.transfer", {**given, "role": role}
        file = JobFile(id=id, task="T", operation=operation, role=role, parameters=parameters)
        await self.hosts.launch(host, file, {"token": "c0ffee"})

    async def _endpoint(self, id: str) -> tuple[str, int]:
        async for lines in self.hosts.follow("ALPHA", id):
            for event in map(events.decode, lines.splitlines()):
                if isinstance(event, events.Endpoint):
                    return event.address, event.port
        raise SystemExit(f"{id} ended before it said where it listens")

    async def _rate(self, id: str) -> float:
        rate = 0.0
        async for lines in self.hosts.follow("ALPHA", id):
            for event in map(events.decode, lines.splitlines()):
                if isinstance(event, events.Measured) and event.name == "observed":
                    rate = float(event.value)  # type: ignore[arg-type]
                if isinstance(event, events.Finished) and event.outcome != "done":
                    raise SystemExit(f"{id} {event.outcome}: {event.reason}")
        return rate

    async def _look(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(LOOK)
            self.late.append(time.monotonic() - began - LOOK)


if __name__ == "__main__":
    sys.exit(main())
