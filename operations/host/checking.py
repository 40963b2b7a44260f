"""What this host lacks for its jobs: root, disk, memory, accelerator, MLX, settings and tools. Nothing is changed."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import psutil

from operations import job, wire
from operations.host import lasting
from operations.host.findings import Finding, HostReport
from operations.host.tools import output
from operations.lines import one_line
from operations.network import echo

DISK, MEMORY = 5e9, 4e9
"""Bytes that the program itself can do with: free disk, and memory. What a plan needs, its limits and gates say."""
IPERF = (3, 2)
_COMPUTING_SECONDS = 120.0
_BEYOND = "/sbin:/usr/sbin:/usr/local/bin:/opt/homebrew/bin"
_IPERF = re.compile(r"^iperf (\d{1,4})\.(\d{1,4})", re.MULTILINE)
_GPU = re.compile(r"^GPU \d+: (.+?)(?: \(UUID: .*\))?$", re.MULTILINE)
_PREPARE = "install it: gladiator-console host prepare"


class _Computing(msgspec.Struct):
    device: str
    gpu: bool
    blas: str
    threads: int | None = None


def look(root: Path) -> HostReport:
    """Asks everything; takes a second or two, most of it MLX's."""
    computing = subprocess.Popen(
        [sys.executable, "-P", "-m", "operations.host.computing"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    findings = [*of_root(root), memory(psutil.virtual_memory().total)]
    settings = [*lasting.look(_user()), iperf(), ping()]
    try:
        out, err = computing.communicate(timeout=_COMPUTING_SECONDS)
    except subprocess.TimeoutExpired:
        computing.kill()
        computing.communicate()
        out, err = b"", f"MLX did not answer within {_COMPUTING_SECONDS:.0f} s".encode()
    findings += of_computing(computing.returncode, out, err.decode("utf-8", "replace"), nvidia())
    return HostReport(
        protocol=wire.PROTOCOL, versions=job.versions(), time=time.time(), findings=[*findings, *settings]
    )


def of_root(root: Path) -> list[Finding]:
    """Whether the root may be written to, or made by the first job, and the free disk there."""
    there = next(path for path in (root.absolute(), *root.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    disk = Finding("disk", free >= DISK, f"{free / 1e9:,.1f} GB free", f"free {DISK / 1e9:g} GB at least on {there}")
    give = f"as root: mkdir -p {root}, then chown {_user()} {root}"
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        fault = f"can't be written to: {error.strerror}" if there == root.absolute() else "is no directory"
        return [Finding("root", False, f"{root} {fault}", give), disk]
    found = "can be written to" if there == root.absolute() else "is not there yet: the first job makes it"
    return [Finding("root", True, f"{root} {found}"), disk]


def memory(total: int) -> Finding:
    """Whether ``total`` bytes of memory are enough for the program itself."""
    return Finding("memory", total >= MEMORY, f"{total / 1e9:,.1f} GB", f"{MEMORY / 1e9:g} GB are needed at least")


def nvidia() -> list[str]:
    """The NVIDIA GPUs by name; empty where there is no ``nvidia-smi``, or it sees none."""
    try:
        return parse_gpus(output(("nvidia-smi", "-L"), timeout=10.0))
    except ValueError:
        return []


def parse_gpus(text: str) -> list[str]:
    """The names in what ``nvidia-smi -L`` prints."""
    return _GPU.findall(text)


def of_computing(status: int, out: bytes, err: str, gpus: Sequence[str], platform: str = sys.platform) -> list[Finding]:
    """The accelerator, MLX and its linear algebra library, by what the process that imports MLX said at its end."""
    try:
        found = msgspec.json.decode(out.strip().rsplit(b"\n", 1)[-1], type=_Computing) if status == 0 else None
    except msgspec.DecodeError:
        found = None
    mac = platform == "darwin"
    if found is None:
        lines = [line.strip() for line in err.splitlines() if line.strip()]
        fault = one_line(lines[-1]) if lines else f"its process ended with status {status}"
        gpu = Finding("gpu", True, ", ".join(gpus)) if gpus else Finding("gpu", None, "MLX can't be asked")
        return [gpu, Finding("mlx", False, fault, _PREPARE), Finding("blas", None, "MLX can't be asked")]
    mlx = Finding("mlx", True, f"computes on {found.device}")
    if found.gpu or gpus:
        gpu = Finding("gpu", True, found.device if found.gpu else ", ".join(gpus))
    elif mac:
        gpu = Finding("gpu", False, "MLX finds no Metal device", "run bare, not in a container or a virtual machine")
    else:
        gpu = Finding("gpu", None, "no device was found: jobs compute on the CPU")
    threads = f", {found.threads} threads" if found.threads else ""
    fast = mac or found.gpu or found.blas.startswith("OpenBLAS")
    todo = "install libopenblas0-pthread (Debian's name): it is found by itself"
    return [gpu, mlx, Finding("blas", fast, f"{found.blas}{threads}", todo)]


def iperf() -> Finding:
    """Whether iperf3 is there and new enough for throughput to be measured."""
    missing = tool("iperf3", "install iperf3, 3.2 or later: throughput is measured with it")
    if not missing.met:
        return missing
    try:
        return parse_iperf(output(("iperf3", "--version")))
    except ValueError as error:
        return Finding("iperf3", False, str(error), missing.todo)


def parse_iperf(text: str) -> Finding:
    """Of ``iperf3 --version``. Raises ValueError if it tells none."""
    found = _IPERF.search(text)
    if found is None:
        raise ValueError("does not tell its version")
    version = (int(found[1]), int(found[2]))
    told = f"{version[0]}.{version[1]}"
    return Finding("iperf3", version >= IPERF, told, f"install iperf3 {IPERF[0]}.{IPERF[1]} or later")


def ping() -> Finding:
    """Whether echo requests can be sent, as the probes of the air gap send them."""
    way = echo.tool()
    todo = "install ping (Debian's name: iputils-ping), or let users send by net.ipv4.ping_group_range"
    return Finding("ping", bool(way), f"by {way}" if way else "not found", todo)


def tool(name: str, todo: str) -> Finding:
    """Whether a program is found as operations find theirs: by the path of this very session."""
    path, beyond = shutil.which(name), shutil.which(name, path=_BEYOND)
    if path is None and beyond is not None:
        home = "add its directory to PATH in ~/.zshenv, or to SetEnv PATH in sshd_config"
        return Finding(name, False, f"is {beyond}, where a session without a login does not look", home)
    return Finding(name, path is not None, path or "not found", todo)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
