"""Puts a package together, signs it, and has another process verify it."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from operations.contract import Artefact, Context, Refusal
from operations.files import fsync_directory, write_atomic
from operations.package import cards, evidence, keys, manifest, openssf, sbom, specialists, ssh, standing
from operations.package.evidence import Evidence
from operations.package.specialists import PURPOSES, Specialist
from operations.package.verifying import Verdict

if TYPE_CHECKING:
    from operations.model.package import Parameters

README = """# A signed package of models

Check it before any use, with public keys that you have from somewhere else than this directory:

    gladiator-console verify PACKAGE --key model-signing.pub.pem --allowed-signers allowed_signers

Without that program, the same in parts:

    sha256sum -c MANIFEST.sha256
    ssh-keygen -Y verify -f allowed_signers -I gladiator-package -n gladiator-package -s MANIFEST.sha256.sig \\
        < MANIFEST.sha256
    model_signing verify key . --no-ignore-git-paths --signature model.sig --public_key model-signing.pub.pem

`sha256sum` finds what was changed or is missing, not what was added; `model_signing` finds both.
"""


def package(context: Context, parameters: Parameters) -> None:
    """Makes the package's directory and that of the public keys."""
    given = {name: getattr(parameters, name) for name in PURPOSES}
    models = [specialists.read(name, _path(context, name, artefact)) for name, artefact in given.items()]
    specialists.distinct(models)
    found = keys.find(context.root, parameters.key, parameters.ssh_key)
    context.log(f"signed with: {found.said}")
    path = context.output("package")
    with _whole(path) as new:
        missing = _fill(context, parameters, models, new)
        names = manifest.look(new)
        if names.faults:
            raise Refusal(f"package: {names.faults[0]}")
        note = f"A GO on this package reads: {parameters.standing.line}"
        text = manifest.encode(manifest.digests(new, names.files), [note])
        write_atomic(new / manifest.NAME, text)
        ssh.sign(new / manifest.NAME, found.ssh_key)
        openssf.sign(new, found.key)
    public = context.output("keys")
    with _whole(public) as new:
        keys.publish(found, new)
    verdict = _verified(path, public)
    for fault in verdict.faults:
        context.log(fault, "error")
    made = context.artefact("package", path)
    context.artefact("keys", public)
    context.measure("digest", hashlib.sha256(text).hexdigest())
    context.measure("verified", not verdict.faults and len(verdict.signatures) == 2)
    context.measure("files", len(manifest.look(path).files))
    context.measure("size", made.size / 1e6)
    context.measure("missing", ", ".join(missing) or "none")
    context.measure("key", found.said)
    context.measure("fingerprint", openssf.fingerprint(public / keys.PUBLIC_PEM))
    context.measure("ssh_fingerprint", ssh.fingerprint(found.ssh_public))
    context.measure("rehearsal", parameters.standing.rehearsal)
    context.measure("standing", parameters.standing.line)


def _path(context: Context, name: str, artefact: Artefact) -> Path:
    """The model's directory; links are looked for before its digest is taken, so that they are told by name."""
    path = context.inside(artefact.path)
    if path.is_dir() and (faults := manifest.look(path).faults):
        raise Refusal(f"{name}: {faults[0]}")
    return context.input(artefact)


def _fill(context: Context, parameters: Parameters, models: Sequence[Specialist], new: Path) -> list[str]:
    """Everything that the manifest covers; returns what evidence there was none of."""
    missing: list[str] = []

    def take(name: str, artefact: Artefact | None, file: str) -> Evidence | None:
        if artefact is None:
            missing.append(name)
            return None
        data = context.input(artefact).read_bytes()
        told = evidence.decode(name, data)
        write_atomic(new / file, data)
        return Evidence(file, hashlib.sha256(data).hexdigest(), told)

    expert = take("expert_metadata", parameters.expert_metadata, "metadata/expert.json")
    gauntlet = take("gauntlet", parameters.gauntlet, "evaluation/gauntlet.json")
    feedback = take("feedback", parameters.feedback, "evaluation/feedback.json")
    for number, model in enumerate(models, 1):
        results = take(
            f"{model.name}_results", getattr(parameters, f"{model.name}_results"), f"evaluation/{model.name}.json"
        )
        for file in model.files:
            target = new / "models" / model.name / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(model.path / file, target, follow_symlinks=False)
        text = cards.card(model, results, gauntlet, feedback, expert, parameters.standing)
        write_atomic(new / "cards" / f"{model.name}.md", text.encode())
        context.progress(number, len(models), "models")
    write_atomic(new / "metadata" / "models.json", _metadata(models))
    write_atomic(new / sbom.NAME, sbom.encode(models))
    write_atomic(new / standing.NAME, standing.encode(parameters.standing))
    write_atomic(new / "licences" / "LICENSE", _licence())
    write_atomic(new / "README.md", README.encode())
    return missing


def _metadata(models: Sequence[Specialist]) -> bytes:
    told = {
        model.name: {
            "task": specialists.TASKS[model.name],
            "purpose": PURPOSES[model.name],
            "labels": model.labels,
            "length": model.length,
            "bits": model.bits,
            "weights_sha256": model.weights,
            "bytes": model.size,
        }
        for model in models
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


def _licence() -> bytes:
    """The text of this program's licence, under which what it makes is given on."""
    text = None
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        text = importlib.metadata.distribution(sbom.PROGRAM).read_text("licenses/LICENSE")
    if not text:
        raise Refusal("the licence's text is not installed with this program: install it anew")
    return text.encode()


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A directory of that name to fill, elsewhere, which takes its place, flushed to the disk, when the block ends."""
    building = path.parent / f".{path.name}.building"
    shutil.rmtree(building, ignore_errors=True)
    new = building / path.name  # signatures hold the directory's own name
    new.mkdir(parents=True)
    try:
        yield new
        for file in new.rglob("*"):
            if file.is_file():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
            else:
                fsync_directory(file)
        fsync_directory(new)
        new.rename(path)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    fsync_directory(path.parent)


def _verified(path: Path, public: Path) -> Verdict:
    """What a process that knows nothing of this one makes of the package. Raises Refusal if it can't say."""
    given = ["--key", str(public / keys.PUBLIC_PEM), "--allowed-signers", str(public / keys.ALLOWED)]
    command = [sys.executable, "-P", "-m", "operations", "verify", str(path), *given, "--allow-rehearsal"]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    try:
        return msgspec.json.decode(done.stdout, type=Verdict)
    except msgspec.DecodeError:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Refusal(f"the package can't be verified: {said[-1] if said else f'exit {done.returncode}'}") from None
