"""The package's software bill of materials, CycloneDX 1.6 in JSON: its models by digest, its libraries by version."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

import msgspec
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from operations.package.specialists import PURPOSES, Specialist

NAME = "sbom.cdx.json"
LIBRARIES = ("mlx", "mlx-lm", "model-signing", "msgspec", "numpy", "tokenizers", "transformers")
"""What makes, serves and signs models; with them goes what they need themselves."""
PROGRAM = "gladiator-console"


def encode(models: Sequence[Specialist]) -> bytes:
    """The file's bytes. No clock, no serial number: equal models beside equal libraries are equal bytes."""
    libraries = closure(LIBRARIES)
    parts = [_model(model) for model in models] + [_library(name, libraries[name]) for name in sorted(libraries)]
    package = {"type": "machine-learning-model", "bom-ref": "package", "name": "gladiator-package"}
    bom = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": package,
            "tools": {"components": [_program()]},
        },
        "components": parts,
        "dependencies": [{"ref": "package", "dependsOn": [str(part["bom-ref"]) for part in parts]}],
    }
    return msgspec.json.format(msgspec.json.encode(bom), indent=1) + b"\n"


def closure(roots: Sequence[str]) -> dict[str, str]:
    """Version by name of these libraries and of all that they need here; what is not installed is left out."""
    found: dict[str, str] = {}
    waiting = [Requirement(root) for root in roots]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in found:
            continue
        try:
            there = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = there.version
        needs = map(Requirement, there.requires or ())
        waiting += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found


def _model(model: Specialist) -> dict[str, object]:
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{model.name}",
        "name": model.name,
        "version": model.weights[:12],
        "description": PURPOSES[model.name],
        "hashes": [{"alg": "SHA-256", "content": model.weights}],
        "components": [
            {
                "type": "file",
                "bom-ref": f"file:models/{model.name}/{file}",
                "name": f"models/{model.name}/{file}",
                "hashes": [{"alg": "SHA-256", "content": model.digests[file]}],
            }
            for file in model.files
        ],
    }


def _library(name: str, version: str) -> dict[str, object]:
    purl = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _program() -> dict[str, object]:
    try:
        version = importlib.metadata.version(PROGRAM)
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    return {"type": "application", "name": PROGRAM, "version": version}
