"""``verify`` on a package of 1 GB beside hashlib over the same bytes; pairs interleaved, medians and spread.

Both are whole processes, from start to exit: one checks names, manifest and both signatures and hashes as it goes, the
other reads every file and hashes it, one after the other. As arguments: megabytes, and how many pairs.
"""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from operations import events, job, registry
from operations.context import JobContext, Teller
from operations.contract import Artefact, Standing
from operations.files import digest

TASKS = {
    "silent_analyzer": "anomaly",
    "threat_profiler": "family",
    "evidence_collector": "evidence",
    "alert_generator": "severity",
}
BARE = """
import hashlib, sys
from pathlib import Path
for path in sorted(Path(sys.argv[1]).rglob("*")):
    if path.is_file():
        with path.open("rb") as stream:
            print(hashlib.file_digest(stream, "sha256").hexdigest(), path.relative_to(sys.argv[1]).as_posix(), sep="  ")
"""


def make(root: Path, size: int) -> tuple[Path, Path]:
    """A package whose models are ``size`` bytes together, and its public keys."""
    given = {}
    for name, task in TASKS.items():
        path = root / "models" / name
        path.mkdir(parents=True)
        with (path / "model.safetensors").open("wb") as stream:
            for _ in range(max(1, size // len(TASKS) >> 20)):
                stream.write(os.urandom(1 << 20))
        (path / "config.json").write_text('{"model_type": "llama", "quantization": {"bits": 4}}')
        (path / "tokenizer.json").write_text("{}")
        (path / "labels.json").write_text(json.dumps({"length": 48, "tasks": {task: ["attack", "benign"]}}))
        given[name] = Artefact(path.relative_to(root).as_posix(), *digest(path), "given", "model")
    operation = registry.find("model.package")
    plain = msgspec.to_builtins({"standing": Standing(False), **given})
    file = job.JobFile(id="b", task="T", operation=operation.name, parameters=plain)
    directory = job.claim(root, file)
    with (directory / job.EVENTS).open("wb") as stream:
        context = JobContext(directory, file, operation, Teller(stream.fileno()), threading.Event(), {})
        operation.run(context, msgspec.convert(plain, operation.parameters))
    told = [events.decode(line) for line in (directory / job.EVENTS).read_bytes().splitlines()]
    made = {e.name: root / e.path for e in told if isinstance(e, events.Made)}
    return made["package"], made["keys"]


def timed(command: list[str]) -> tuple[float, str]:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def main(megabytes: int = 1_000, pairs: int = 7) -> None:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as directory:
        package, keys = make(Path(directory), megabytes * 1_000_000)
        size = sum(path.stat().st_size for path in package.rglob("*") if path.is_file())
        trusted = ["--key", str(keys / "model-signing.pub.pem"), "--allowed-signers", str(keys / "allowed_signers")]
        ours = [sys.executable, "-P", "-m", "console", "verify", str(package), *trusted]
        bare = [sys.executable, "-c", BARE, str(package)]
        timed(bare), timed(ours)
        rows = []
        for number in range(pairs):
            first, second = (ours, bare) if number % 2 else (bare, ours)
            found = {first[-1]: timed(first), second[-1]: timed(second)}
            mine, theirs = found[ours[-1]], found[bare[-1]]
            assert "0 faults" in mine[1]
            listed = dict(reversed(line.split("  ", 1)) for line in theirs[1].splitlines())
            signed = dict(
                reversed(line.split("  ", 1))
                for line in (package / "MANIFEST.sha256").read_text().splitlines()
                if not line.startswith("#")
            )
            assert signed.items() <= listed.items(), "both hashed the same bytes"
            assert hashlib.sha256((package / "MANIFEST.sha256").read_bytes()).hexdigest() in mine[1]
            rows.append((size / mine[0] / 1e6, size / theirs[0] / 1e6))
        ratios = [mine / theirs for mine, theirs in rows]
        print(f"{size / 1e6:,.0f} MB, {pairs} pairs, {os.cpu_count()} cores, load {load:.1f} before")
        for name, values in (("verify, MB/s", [r[0] for r in rows]), ("hashlib, MB/s", [r[1] for r in rows])):
            print(f"{name:14} median {statistics.median(values):7,.0f}  {min(values):,.0f} to {max(values):,.0f}")
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{'ratio':14} median {statistics.median(ratios):7.2f}  {spread}  (asked: 0.5)")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
