"""Made-up models of a few kB, and a package of them that each test may spoil its own copy of."""

import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

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
NAMES = tuple(TASKS)
REHEARSED = Standing(True, {"G1n.throughput": "all hosts are this machine"})
RESULTS = {
    "total": 500,
    "correct": 480,
    "accuracy": 0.96,
    "macro_accuracy": 0.955,
    "false_alarms": {"total": 50, "correct": 1, "accuracy": 0.02},
    "by_attack_type": {"xss": {"total": 100, "correct": 98, "accuracy": 0.98}},
    "loss": 0.123,
    "teacher": {"total": 500, "correct": 490, "accuracy": 0.98},
    "failures": [{"id": "x", "payload": "<script>"}],
    "seconds": 3.0,
}


@dataclass
class Told:
    measures: dict
    made: dict
    logs: list


class Host:
    """Jobs on one root, run in this process."""

    def __init__(self, root: Path):
        self.root = root
        self.count = 0

    def model(self, name: str, seed: int, task: str = "severity", **files) -> Artefact:
        """A model's directory; ``files`` stand in for its own, None leaves one out."""
        path = self.root / "models" / name
        path.mkdir(parents=True)
        whole = {
            "config.json": json.dumps({"model_type": "llama", "hidden_size": 64, "quantization": {"bits": 4}}),
            "model.safetensors": bytes([seed]) * 2_000,
            "tokenizer.json": "{}",
            "labels.json": json.dumps({"length": 48, "tasks": {task: ["attack", "benign"]}}),
            **{key.replace("__", "."): value for key, value in files.items()},
        }
        for file, content in whole.items():
            if content is not None:
                (path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
        return self.artefact(path, "model")

    def artefact(self, path: Path, name: str) -> Artefact:
        return Artefact(path.relative_to(self.root).as_posix(), *digest(path), "given", name)

    def given(self, name: str, told) -> Artefact:
        path = self.root / name
        path.write_text(json.dumps(told))
        return self.artefact(path, "results")

    def models(self) -> dict:
        return {name: self.model(name, seed, task) for seed, (name, task) in enumerate(TASKS.items())}

    def run(self, **parameters) -> Told:
        """``model.package``; what it raises is raised."""
        self.count += 1
        operation = registry.find("model.package")
        plain = msgspec.to_builtins({"standing": REHEARSED, **parameters})
        described = job.JobFile(id=f"job-{self.count}", task="T", operation=operation.name, parameters=plain)
        directory = job.claim(self.root, described)
        descriptor = os.open(directory / job.EVENTS, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            context = JobContext(directory, described, operation, Teller(descriptor), threading.Event(), {})
            operation.run(context, msgspec.convert(plain, operation.parameters))
        finally:
            os.close(descriptor)
        told = [events.decode(line) for line in (directory / job.EVENTS).read_bytes().splitlines()]
        measures = {e.name: e.value for e in told if isinstance(e, events.Measured)}
        assert set(measures) == {m.name for m in operation.measures}
        made = {e.name: self.root / e.path for e in told if isinstance(e, events.Made)}
        return Told(measures, made, [e.text for e in told if isinstance(e, events.Log)])


def run(*command, cwd=None, stdin=b"") -> subprocess.CompletedProcess:
    """Another tool on the package."""
    return subprocess.run(list(map(str, command)), cwd=cwd, input=stdin, capture_output=True, check=False, timeout=60)


class Package:
    """A package with its public keys, and the tools that others have."""

    def __init__(self, path: Path, keys: Path):
        self.path, self.keys = path, keys
        self.key, self.signers = keys / "model-signing.pub.pem", keys / "allowed_signers"

    def library(self) -> bool:
        """The library's own verdict, in this process."""
        from model_signing import hashing, verifying

        everything = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)
        config = verifying.Config().use_elliptic_key_verifier(public_key=self.key).set_hashing_config(everything)
        try:
            config.verify(self.path, self.path / "model.sig")
        except ValueError:
            return False
        return True

    def model_signing(self) -> bool:
        """``model_signing verify``, the command."""
        command = [sys.executable, "-m", "model_signing", "verify", "key", self.path, "--no-ignore-git-paths"]
        done = run(*command, "--signature", self.path / "model.sig", "--public_key", self.key)
        return done.returncode == 0

    def ssh_and_sums(self) -> bool:
        """``ssh-keygen -Y verify`` over the manifest, and ``sha256sum -c`` by it."""
        what = ["-f", self.signers, "-I", "gladiator-package", "-n", "gladiator-package"]
        manifest = self.path / "MANIFEST.sha256"
        signature = self.path / "MANIFEST.sha256.sig"
        signed = run("ssh-keygen", "-Y", "verify", *what, "-s", signature, stdin=manifest.read_bytes())
        sums = run("sha256sum", "--quiet", "--strict", "-c", "MANIFEST.sha256", cwd=self.path)
        return (signed.returncode, sums.returncode) == (0, 0)


@pytest.fixture
def host(tmp_path) -> Host:
    (tmp_path / "root").mkdir()
    return Host(tmp_path / "root")


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Told:
    host = Host(tmp_path_factory.mktemp("made"))
    results = {f"{name}_results": host.given(f"{name}.json", RESULTS) for name in NAMES[:3]}
    return host.run(
        **host.models(),
        **results,
        gauntlet=host.given("gauntlet.json", {"total": 1000, "correct": 950, "accuracy": 0.95}),
        feedback=host.given("feedback.json", {"prevented": True}),
        expert_metadata=host.given("metadata.json", {"model_name": "EXPERT", "version": "1.0"}),
    )


@pytest.fixture
def package(made, tmp_path) -> Package:
    shutil.copytree(made.made["package"], tmp_path / "package")
    shutil.copytree(made.made["keys"], tmp_path / "keys")
    return Package(tmp_path / "package", tmp_path / "keys")
