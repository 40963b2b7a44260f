"""The export beside the plan's way: ``python tests/benchmarks/export.py [--patterns N] [--rounds N] [--memory]``.

Both are timed as whole commands, in turns, over the same patterns of about 600 bytes: a script that does what the
plan's does (reads the batches, writes every pattern anew by its place in the batch, then takes MD5), and a job of
``dataset.export``, which also drops duplicates, splits by masked content and takes SHA-256. The store has no
duplicates, so both outputs must hold the same patterns. Beside them ``cat`` and a bare SHA-256 of the store's bytes.
Asked: the job takes at most a quarter of the script's time. With ``--memory`` the largest resident size of all the
job's processes together at N and at 4 N patterns, and what the slope says of 10 million: at most 500 MB.
Exit status 1 if either is missed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from operations import events, job

BATCH = 10_000
FILES = ("training_8m.jsonl", "validation_1m.jsonl", "test_1m.jsonl")
WORDS = [
    "login",
    "request",
    "session",
    "query",
    "header",
    "cookie",
    "token",
    "payload",
    "script",
    "select",
    "union",
    "insert",
    "update",
    "from",
    "where",
    "upload",
    "download",
    "process",
    "shell",
    "registry",
    "service",
    "kernel",
    "module",
    "driver",
    "network",
    "packet",
    "stream",
    "beacon",
    "tunnel",
    "proxy",
    "cache",
    "object",
    "parser",
    "handler",
    "worker",
    "thread",
    "buffer",
    "socket",
    "inject",
    "escape",
    "encode",
    "decode",
    "replay",
    "forge",
    "probe",
    "listen",
    "resolve",
]
LABELS = ("benign", "xss", "sql_injection", "flooding", "ransomware")

SCRIPT = """
import hashlib, json, os, sys
source, target = sys.argv[1:]
os.makedirs(target)
paths = [os.path.join(target, name) for name in ("training_8m.jsonl", "validation_1m.jsonl", "test_1m.jsonl")]
outputs = [open(path, "w") for path in paths]
for name in sorted(os.listdir(source)):
    if name.startswith("batch_") and name.endswith(".json"):
        with open(os.path.join(source, name)) as stream:
            patterns = json.load(stream)
        for place, pattern in enumerate(patterns):
            outputs[max(0, place % 10 - 7)].write(json.dumps(pattern) + "\\n")
for output in outputs:
    output.close()
with open(os.path.join(target, "checksums.txt"), "w") as sums:
    for path in paths:
        found = hashlib.md5()
        with open(path, "rb") as stream:
            while chunk := stream.read(4096):
                found.update(chunk)
        sums.write(f"{found.hexdigest()}  {os.path.basename(path)}\\n")
"""


def pattern(chance: random.Random, n: int) -> dict[str, str]:
    """One of ten has a word that is not ASCII, one a line end and a backslash, three have quotes."""
    words = chance.choices(WORDS, k=40)
    for place in range(0, 40, 6):
        words[place] = str(chance.getrandbits(20))
    words[3] = ".".join(str(chance.getrandbits(8)) for _ in range(4))
    words[9] = hex(chance.getrandbits(48))
    kind = n % 10
    if kind < 2:
        words[5] = f"user='{words[7]}'"
    elif kind == 2:
        words[5] = f'name="{words[7]} {words[8]}"'
    elif kind == 3:
        words[11] = "größe"
    elif kind == 4:
        words[13] = "path\\temp\n"
    return {
        "id": f"rule{n % 977}-{n:08d}",
        "attack_type": LABELS[n % len(LABELS)],
        "payload": " ".join(words),
        "anomaly": "attack",
        "family": "amber",
        "evidence": "first",
        "severity": ("low", "high")[n % 2],
        "template": f"a-{n % 75}",
        "set": "train",
        "hard": "",
        "note": f"seen at host {chance.getrandbits(32):08x} by sensor {chance.getrandbits(20):06d} of line {n % 50}",
    }


def make(task: tuple[str, int]) -> int:
    directory, number = task
    chance = random.Random(number)
    text = json.dumps([pattern(chance, number * BATCH + n) for n in range(BATCH)])
    return Path(directory, f"batch_{number:04d}.json").write_text(text)


def store(directory: Path, patterns: int) -> int:
    """Makes the store; returns its bytes."""
    directory.mkdir()
    with multiprocessing.get_context("spawn").Pool() as pool:
        return sum(pool.map(make, [(str(directory), number) for number in range(patterns // BATCH)]))


def timed(command: list[str], **options: object) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)  # type: ignore[call-overload]
    return time.perf_counter() - began


def job_of(root: Path, source: Path) -> tuple[Path, list[str]]:
    id = f"export-{time.time_ns()}"
    given = job.JobFile(id=id, task="T", operation="dataset.export", parameters={"store": str(source)})
    directory = job.claim(root, given)
    return directory, [sys.executable, "-P", "-m", "operations", "run", str(directory)]


def patterns_of(paths: list[Path]) -> Iterator[int]:
    """A hash of each pattern, whatever its spelling in JSON."""
    for path in paths:
        with path.open("rb") as stream:
            for line in stream:
                plain = json.dumps(json.loads(line), sort_keys=True).encode()
                yield int.from_bytes(hashlib.blake2b(plain, digest_size=16).digest(), "big")


def content(paths: list[Path]) -> tuple[int, int]:
    """How many patterns, and the sum of their hashes: the same for the same patterns in any order."""
    count = total = 0
    for hashed in patterns_of(paths):
        count += 1
        total = (total + hashed) % 2**128
    return count, total


def peak(root: Path, source: Path) -> int:
    """The largest resident size of a job's processes together, looked at every 20 ms, in bytes."""
    directory, command = job_of(root, source)
    largest = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        whole = psutil.Process(process.pid)
        while process.poll() is None:
            held = 0
            for one in (whole, *whole.children(recursive=True)):
                try:
                    held += one.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            largest = max(largest, held)
            time.sleep(0.02)
    assert process.returncode == 0
    shutil.rmtree(directory)
    return largest


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--patterns", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="measure memory at N and 4 N patterns too")
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory, prefix="export-") as found:
        home = Path(found)
        size = store(home / "store", given.patterns)
        print(f"{platform.platform()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print(f"{given.patterns:,} patterns of {size / given.patterns:.0f} bytes, {given.rounds} rounds in turns")
        met = compare(home, given.patterns, given.rounds)
        if given.memory:
            met = memory(home, given.patterns) and met
    return 0 if met else 1


def compare(home: Path, patterns: int, rounds: int) -> bool:
    source, root, script = home / "store", home / "root", home / "script.py"
    root.mkdir()
    script.write_text(SCRIPT)
    batches = sorted(map(str, source.iterdir()))
    bare = "import hashlib, sys\nh = hashlib.sha256()\nfor p in sys.argv[1:]:\n    h.update(open(p, 'rb').read())"
    seconds: dict[str, list[float]] = {"cat": [], "SHA-256": [], "script": [], "export": []}
    for number in range(rounds):
        seconds["cat"].append(timed(["cat", *batches]))
        seconds["SHA-256"].append(timed([sys.executable, "-c", bare, *batches]))
        target = home / "target"
        seconds["script"].append(timed([sys.executable, str(script), str(source), str(target)]))
        directory, command = job_of(root, source)
        seconds["export"].append(timed(command))
        if not number:
            artefacts = directory / "artefacts"
            ours = [*(artefacts / "dataset" / name for name in FILES), artefacts / "gauntlet_100k.jsonl"]
            assert content(ours) == content([target / name for name in FILES]), "the outputs differ"
            subprocess.run(["md5sum", "--quiet", "-c", "checksums.txt"], cwd=artefacts / "dataset", check=True)
            told = [events.decode(line) for line in (directory / job.EVENTS).read_bytes().splitlines()]
            assert next(e.value for e in told if isinstance(e, events.Measured) and e.name == "patterns") == patterns
        shutil.rmtree(target)
        shutil.rmtree(directory)
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        print(
            f"  {name:8} {middle:7.2f} s ({min(taken):.2f} to {max(taken):.2f})  {patterns / middle:12,.0f} patterns/s"
        )
    ratios = [one / other for one, other in zip(seconds["script"], seconds["export"], strict=True)]
    middle = statistics.median(ratios)
    print(
        f"{'met' if middle >= 4 else 'NOT MET'}: {middle:.2f} x the script's speed, pair by pair "
        f"({min(ratios):.2f} to {max(ratios):.2f}), asks 4; load {os.getloadavg()[0]:.1f}"
    )
    return middle >= 4


def memory(home: Path, patterns: int) -> bool:
    small = peak(home / "root", home / "store")
    shutil.rmtree(home / "store")
    store(home / "store", 4 * patterns)
    large = peak(home / "root", home / "store")
    slope = (large - small) / (3 * patterns)
    whole = small + slope * (10_000_000 - patterns)
    print(
        f"{'met' if whole <= 500e6 else 'NOT MET'}: {small / 1e6:.0f} MB at {patterns:,}, {large / 1e6:.0f} MB at "
        f"{4 * patterns:,}, {slope:.1f} bytes a pattern; {whole / 1e6:.0f} MB at 10,000,000, asks 500"
    )
    return whole <= 500e6


if __name__ == "__main__":
    sys.exit(main())
