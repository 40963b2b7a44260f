"""The four models as they go into a package: what each is for, and what its directory says of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from operations.contract import Refusal
from operations.model.tasks import Task
from operations.package import manifest

PURPOSES: Mapping[str, str] = {
    "silent_analyzer": "Anomaly: tells attacks from benign events.",
    "threat_profiler": "Attribution: names the family of tools behind an event.",
    "evidence_collector": "Forensics: says where in the event the proof is.",
    "alert_generator": "Notification: grades how severe an alert of the event is.",
}
TASKS: Mapping[str, Task] = {
    "silent_analyzer": "anomaly",
    "threat_profiler": "family",
    "evidence_collector": "evidence",
    "alert_generator": "severity",
}
WEIGHTS = ".safetensors"
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")


@dataclass(frozen=True, slots=True)
class Specialist:
    """One model's directory; sizes are in bytes.

    ``weights`` is the SHA-256 of its weights' file or, where they are several, of these files' lines of a manifest.
    """

    name: str
    path: Path
    files: tuple[str, ...]
    digests: Mapping[str, str]
    weights: str
    size: int
    labels: tuple[str, ...]
    length: int | None
    config: Mapping[str, Any]
    licences: tuple[str, ...]

    @property
    def bits(self) -> int | None:
        """Bits of a weight after quantisation; None where the configuration says none."""
        told = self.config.get("quantization") or self.config.get("quantization_config")
        bits = told.get("bits") if isinstance(told, dict) else None
        return bits if isinstance(bits, int) else None


def read(name: str, path: Path) -> Specialist:
    """Raises Refusal, naming model and file, if something is missing or may not be there."""
    if path.is_symlink() or not path.is_dir():
        raise Refusal(f"{name}: {path.name} is no directory of a model")
    found = manifest.look(path)
    if found.faults:
        raise Refusal(f"{name}: {found.faults[0]}")
    weights = [file for file in found.files if file.endswith(WEIGHTS)]
    lacking = [file for file in ("config.json", "labels.json") if file not in found.files]
    lacking += [] if weights else ["model.safetensors"]
    lacking += [] if set(_TOKENIZERS) & set(found.files) else ["tokenizer.json"]
    if lacking:
        raise Refusal(f"{name}: {path.name} is no whole model: it lacks {', '.join(lacking)}")
    config = _object(name, path / "config.json")
    told = _object(name, path / "labels.json")
    given, length = told.get("tasks"), told.get("length")
    tasks: dict[str, Any] = given if isinstance(given, dict) else {}
    named = tasks.get(TASKS[name])
    if not isinstance(named, list) or not named or not all(isinstance(label, str) for label in named):
        raise Refusal(f"{name}: labels.json names no labels of {TASKS[name]}, which it is to answer")
    if len(tasks) > 1:
        raise Refusal(f"{name}: is to answer {TASKS[name]} alone, its labels.json names {', '.join(sorted(tasks))}")
    digests = manifest.digests(path, found.files)
    return Specialist(
        name=name,
        path=path,
        files=found.files,
        digests=digests,
        weights=digests[weights[0]] if len(weights) == 1 else _together({file: digests[file] for file in weights}),
        size=sum((path / file).stat().st_size for file in found.files),
        labels=tuple(named),
        length=length if isinstance(length, int) else None,
        config=config,
        licences=tuple(file for file in found.files if Path(file).name.upper().startswith(("LICENSE", "LICENCE"))),
    )


def _together(shards: Mapping[str, str]) -> str:
    return hashlib.sha256(manifest.encode(shards)).hexdigest()


def distinct(found: list[Specialist]) -> None:
    """Raises Refusal, naming both, if two models have the same weights."""
    seen: dict[str, str] = {}
    for one in found:
        if one.weights in seen:
            raise Refusal(f"{seen[one.weights]} and {one.name} have the same weights: they are one model, not two")
        seen[one.weights] = one.name


def _object(name: str, path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise Refusal(f"{name}: {path.name} can't be read: {error}") from None
