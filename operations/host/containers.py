"""Whether a container of this host is up, as ``docker inspect`` tells."""

from __future__ import annotations

import subprocess

from operations.host.findings import Finding
from operations.lines import one_line

_SECONDS = 15.0
_DOWN = ("cannot connect to the docker daemon", "failed to connect to the docker api")
_DENIED = ("permission denied while trying to connect",)
_ABSENT = ("no such container", "no such object")


def container(name: str, docker: str = "docker") -> Finding:
    """Met if it runs and is not paused; n/a where the site names none, or there is no Docker to ask."""
    if not name:
        return Finding("container", None, "the site names no container for this host")
    command = [docker, "inspect", "--type", "container", "--format", "{{.State.Status}}", "--", name]
    try:
        asked = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        return Finding("container", None, f"{docker} is not on this host: {name} can't be asked for")
    except OSError as error:
        return Finding("container", None, f"{docker} can't be run here ({error.strerror}): {name} can't be asked for")
    except subprocess.TimeoutExpired:
        return Finding("container", False, f"{name}: Docker did not answer within {_SECONDS:g} s", "restart Docker")
    if asked.returncode:
        return _fault(name, asked.stderr.decode("utf-8", "replace"))
    return parse_status(name, asked.stdout.decode("utf-8", "replace"))


def parse_status(name: str, text: str) -> Finding:
    """Of what ``docker inspect`` prints for a container that there is."""
    status = one_line(text.strip())
    if status == "running":
        return Finding("container", True, f"{name} is running")
    todo = f"docker unpause {name}" if status == "paused" else f"docker start {name}"
    return Finding("container", False, f"{name} is {status or 'in a state that Docker does not tell'}", todo)


def _fault(name: str, said: str) -> Finding:
    text = said.lower()
    if any(mark in text for mark in _DOWN):
        return Finding("container", False, f"{name}: the Docker daemon is down", "start Docker")
    if any(mark in text for mark in _ABSENT):
        return Finding("container", False, f"there is no container {name}", "create it, or correct the site's file")
    if any(mark in text for mark in _DENIED):
        return Finding("container", None, f"{name}: the user may not ask Docker", "add the user to Docker's group")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return Finding("container", None, f"{name}: {one_line(lines[-1]) if lines else 'Docker does not say why not'}")
