"""What the lab needs of the machine: commands, processes of a namespace, a slot that is nobody else's."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

TOOLS = ("ip", "tc", "sshd", "ssh", "ssh-keygen", "unshare")
LOCKS = Path("/run/gladiator-lab")


class Unavailable(Exception):
    """This machine can't have a lab, and why."""


def demand() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Unavailable("a lab of network namespaces needs Linux and root")
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise Unavailable(f"the lab needs {', '.join(missing)} (Debian: openssh-server iproute2)")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        raise Unavailable("root may not make network namespaces here")


def slot() -> tuple[int, int]:
    LOCKS.mkdir(exist_ok=True)
    for slot in range(256):
        lock = os.open(LOCKS / str(slot), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock, slot
        os.close(lock)
    raise Unavailable("256 labs are up already")


def sshd_version() -> tuple[int, int]:
    said = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr
    major, _, minor = said.removeprefix("OpenSSH_").split("p")[0].partition(".")
    return int(major), int(minor)


def processes(namespace: str) -> list[psutil.Process]:
    said = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True).stdout
    found = []
    for pid in said.split():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(int(pid))
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


def program(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def do(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{shlex.join(command)}: {done.stderr.strip()}")


def listens(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, 22), 0.5):
        return True
    return False


def until(condition: Callable[[], bool], fault: str, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(fault)
        time.sleep(0.01)
