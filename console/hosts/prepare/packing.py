"""The wheel of a distribution that is installed here: how a console that was installed itself hands itself on."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

from console.hosts.prepare.wheelhouse import WheelhouseError

_OF_THE_INSTALLER = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal contents are equal bytes


def pack(distribution: Distribution, directory: Path) -> Path:
    """Writes the wheel and returns its path.

    Raises WheelhouseError if a file is not the one that was installed, or is gone.
    """
    name = distribution.metadata["Name"]
    contents: dict[str, bytes] = {}
    record: list[str] = []
    info = ""
    for file in distribution.files or []:
        path = file.as_posix()
        if path.startswith("../") or file.suffix == ".pyc":
            continue  # scripts are made anew from the entry points, and so is bytecode
        if file.parts[0].endswith(".dist-info"):
            info = file.parts[0]
            if file.name in _OF_THE_INSTALLER:
                continue
        try:
            data = Path(str(file.locate())).read_bytes()
        except OSError as error:
            raise WheelhouseError(f"{name}: {path}: {error.strerror}: install it anew") from None
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        if file.hash is not None and file.hash.mode == "sha256" and file.hash.value != digest:
            raise WheelhouseError(f"{name}: {path} was changed since it was installed: install it anew")
        contents[path] = data
        record.append(f'"{path}",sha256={digest},{len(data)}' if "," in path else f"{path},sha256={digest},{len(data)}")
    if f"{info}/WHEEL" not in contents:
        raise WheelhouseError(f"{name}: is not installed from a wheel: install it anew, with pip")
    record.append(f"{info}/RECORD,,")
    contents[f"{info}/RECORD"] = ("\n".join(record) + "\n").encode()
    wheel = directory / f"{info.removesuffix('.dist-info')}-{_tags(contents[f'{info}/WHEEL'].decode())}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in contents.items():
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), data, zipfile.ZIP_DEFLATED)
    return wheel


def _tags(text: str) -> str:
    """Of the WHEEL file's tags, such as ``py3-none-any``, one that stands for all."""
    tags = [line.partition(":")[2].strip().split("-") for line in text.splitlines() if line.startswith("Tag:")]
    return "-".join(".".join(dict.fromkeys(part)) for part in zip(*tags, strict=True))
