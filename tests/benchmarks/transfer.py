"""The transfer beside iperf3, the hash alone, scp, sftp and rsync, on one link between two namespaces.

``python tests/benchmarks/transfer.py [--megabytes 1000] [--rounds 5] [--directory DIR]`` as root. Contestants take
turns, so that what the machine does meanwhile meets all of them; each copy is compared with the original; what is
printed is the median and the spread. The transfer's time ends with the compared digests, like the others' with both
ends' sha256sum. Then the cable is pulled three times in one transfer, which has to go on and be right.
Asked: the raw path carries at least the smaller of half of iperf3 and 0.7 of the hash rate; with its
check it does 90 % of the best of the others with theirs. Exit status 1 if not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

sys.path[:0] = [str(Path(__file__).parents[1] / "lab")]

from host_lab import HostLab  # noqa: E402

from operations import events, job  # noqa: E402
from operations.contract import Artefact  # noqa: E402
from operations.files import digest  # noqa: E402

WARM = 1
Popen: TypeAlias = "subprocess.Popen[bytes]"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--directory", type=Path, default=Path("/dev/shm"))
    given = parser.parse_args()
    with HostLab() as lab, tempfile.TemporaryDirectory(dir=given.directory, prefix="transfer-") as directory:
        bench = Bench(lab, Path(directory), given.megabytes * 1_000_000)
        found = bench.run(given.rounds)
        again = bench.cut_three_times()
    print(f"{platform.platform()}, {os.cpu_count()} cores, both ends on them; files in {given.directory}")
    print(f"{given.megabytes} MB, {given.rounds} rounds, MB/s: median (lowest to highest)")
    for name, rates in found.items():
        print(f"  {name:28} {statistics.median(rates):7.0f}  ({min(rates):.0f} to {max(rates):.0f})")
    middle = {name: statistics.median(rates) for name, rates in found.items()}
    wanted = min(0.5 * middle["iperf3"], 0.7 * middle["hash at both ends"])
    others = max(rate for name, rate in middle.items() if name.endswith("+ sha256sum"))
    ok = [
        _verdict("transfer, of min(iperf3 / 2, 0.7 hash)", middle["transfer"], wanted, 1.0),
        _verdict("transfer, of the best with a check", middle["transfer"], others, 0.9),
    ]
    print(f"met: cut three times, right at the end; {again / 1e6:.0f} MB had to come again")
    return 0 if all(ok) else 1


def _verdict(what: str, rate: float, of: float, share: float) -> bool:
    met = rate >= share * of
    print(f"{'met' if met else 'NOT MET'}: {what}: {rate:.0f} of {of:.0f} MB/s = {rate / of:.2f}, asks {share:g}")
    return met


class Bench:
    """One file, two hosts, and the ways to bring it from one to the other."""

    def __init__(self, lab: HostLab, directory: Path, size: int) -> None:
        self.lab, self.size = lab, size
        self.sink, self.source = directory / "sink", directory / "source"
        for root in (self.sink, self.source):
            root.mkdir()
        self.file = self.source / "data.bin"
        with self.file.open("wb") as stream:
            for at in range(0, size, 1 << 20):
                stream.write(secrets.token_bytes(min(1 << 20, size - at)))
        self.sha256, _ = digest(self.file)
        self.target = self.sink / "copy.bin"

    def run(self, rounds: int) -> dict[str, list[float]]:
        """Each contestant's rates in MB/s, a round after another."""
        ways: dict[str, Callable[[], float]] = {
            "iperf3": self.iperf3,
            "hash at both ends": self.hash,
            "transfer": self.transfer,
            "scp + sha256sum": lambda: self.copied(self._scp()),
            "sftp + sha256sum": lambda: self.copied(self._sftp()),
        }
        if shutil.which("rsync"):
            ways["rsync + sha256sum"] = lambda: self.copied(self._rsync())
        found: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds + WARM):
            for name, way in ways.items():
                rate = way()
                if number >= WARM:
                    found[name].append(rate)
        return found

    def iperf3(self) -> float:
        address = self.lab.host["alpha"].address
        server = self.lab.start("alpha", "iperf3", "-s", "-1", "-B", address, "-p", "5201", "--forceflush")
        assert server.stdout
        while b"listening" not in server.stdout.readline():
            pass
        said = self.lab.run("beta", "iperf3", "-c", address, "-p", "5201", "-n", str(self.size), "-J").stdout
        server.wait()
        return float(json.loads(said)["end"]["sum_received"]["bits_per_second"]) / 8e6

    def hash(self) -> float:
        """Both ends' hash of the file at the same time, by processes of their own: the slower one's rate."""
        script = (
            "import hashlib, sys, time\n"
            "h, b, began = hashlib.sha256(), memoryview(bytearray(1 << 18)), time.monotonic()\n"
            "with open(sys.argv[1], 'rb', buffering=0) as f:\n"
            "    while n := f.readinto(b): h.update(b[:n])\n"
            "print(time.monotonic() - began)"
        )
        both = [
            subprocess.Popen([sys.executable, "-c", script, str(self.file)], stdout=subprocess.PIPE) for _ in range(2)
        ]
        return min(self.size / 1e6 / float(process.communicate()[0]) for process in both)

    def transfer(self) -> float:
        """The operation's own figure, from the first byte to the compared digests."""
        jobs = self._started()
        for process, _ in jobs:
            process.wait()
        directory = jobs[0][1]
        measures = self._measures(directory)
        assert measures["match"] is True
        assert digest(directory / "artefacts" / "data.bin")[0] == self.sha256
        for _, made in jobs:
            shutil.rmtree(made)
        seconds = measures["elapsed"]
        assert isinstance(seconds, float)
        return self.size / 1e6 / seconds

    def cut_three_times(self) -> int:
        """One transfer, its cable pulled at a fifth, two and three; bytes that had come and had to come again."""
        left: list[Artefact] = []
        passed = 0
        for fifth in (1, 2, 3):
            jobs = self._started(left, patience=2.0)
            passed = self._passed(jobs[0][1], fifth * self.size // 5)
            self.lab.cut("alpha")
            for process, _ in jobs:
                process.wait()
            self.lab.restore("alpha")
            left += [
                Artefact(path=made.path, sha256=made.sha256, size=made.size, job=jobs[0][1].name, name=made.name)
                for made in self._events(jobs[0][1])
                if isinstance(made, events.Made)
            ]
        jobs = self._started(left)
        for process, _ in jobs:
            process.wait()
        measures = self._measures(jobs[0][1])
        assert measures["match"] is True
        assert digest(jobs[0][1] / "artefacts" / "data.bin")[0] == self.sha256
        resumed = measures["resumed"]
        assert isinstance(resumed, int)
        return max(0, passed - resumed)

    def _started(self, left: Sequence[Artefact] = (), patience: float = 60.0) -> list[tuple[Popen, Path]]:
        """Both jobs, the sink's first."""
        token, id = secrets.token_hex(16), secrets.token_hex(4)
        artefact = {"path": "data.bin", "sha256": self.sha256, "size": self.size, "job": "j", "name": "data"}
        address = self.lab.host["alpha"].address
        given: dict[str, object] = {"artefact": artefact, "address": address, "patience": patience}
        jobs: list[tuple[Popen, Path]] = []
        for role, name, root in (("sink", "alpha", self.sink), ("source", "beta", self.source)):
            asked = job.JobFile(
                id=id,
                task="T",
                operation="network.transfer",
                role=role,
                parameters={**given, "role": role},
                resume=tuple(left) if role == "sink" else (),
            )
            directory = job.claim(root, asked)
            command = [sys.executable, "-P", "-m", "operations", "run", str(directory), "--launched"]
            process = subprocess.Popen(
                self.lab.arguments(name, *command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
            )
            assert process.stdin
            process.stdin.write(json.dumps({"token": token}).encode() + b"\n")
            process.stdin.close()
            jobs.append((process, directory))
            if role == "sink":
                given |= self._endpoint(directory)
        return jobs

    @staticmethod
    def _events(directory: Path) -> list[events.Event]:
        path = directory / job.EVENTS
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [events.decode(line) for line in lines]

    def _measures(self, directory: Path) -> dict[str, object]:
        return {event.name: event.value for event in self._events(directory) if isinstance(event, events.Measured)}

    def _passed(self, directory: Path, enough: int) -> int:
        """How many bytes the sink has, once they are enough."""
        while True:
            told = [event for event in self._events(directory) if isinstance(event, events.Progress | events.Finished)]
            assert not told or isinstance(told[-1], events.Progress), told
            if told and told[-1].done >= enough:
                return told[-1].done
            time.sleep(0.01)

    def _endpoint(self, directory: Path) -> dict[str, object]:
        while True:
            for event in self._events(directory):
                assert not isinstance(event, events.Finished), event
                if isinstance(event, events.Endpoint):
                    return {"endpoint_address": event.address, "endpoint_port": event.port}
            time.sleep(0.01)

    def copied(self, command: list[str]) -> float:
        """A copy and then both ends' digests, as the plan does it."""
        self.target.unlink(missing_ok=True)
        began = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        here = subprocess.Popen(["sha256sum", str(self.file)], stdout=subprocess.PIPE)
        there = subprocess.Popen(["sha256sum", str(self.target)], stdout=subprocess.PIPE)
        sums = [process.communicate()[0].split()[0].decode() for process in (here, there)]
        seconds = time.monotonic() - began
        assert sums == [self.sha256, self.sha256]
        assert hashlib.sha256(self.target.read_bytes()).hexdigest() == self.sha256
        self.target.unlink()
        return self.size / 1e6 / seconds

    def _ssh(self) -> list[str]:
        return ["-F", str(self.lab.directory / "ssh_config"), "-c", "aes128-gcm@openssh.com"]

    def _scp(self) -> list[str]:
        return self.lab.arguments("beta", "scp", "-q", "-O", *self._ssh(), str(self.file), f"alpha:{self.target}")

    def _sftp(self) -> list[str]:
        return self.lab.arguments("beta", "scp", "-q", *self._ssh(), str(self.file), f"alpha:{self.target}")

    def _rsync(self) -> list[str]:
        shell = " ".join(["ssh", *self._ssh()])
        return self.lab.arguments("beta", "rsync", "-W", "-e", shell, str(self.file), f"alpha:{self.target}")


if __name__ == "__main__":
    sys.exit(main())
