"""Where an agent runs on a host, bare or in a container, and what it means when it can't be started there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_NOT_FOUND = 127
_NOT_RUN = 126
_NO_OPERATIONS = "no module named operations"
_DOCKER = (
    (
        ("cannot connect to the docker daemon", "failed to connect to the docker api"),
        "the Docker daemon is down: start it",
    ),
    (("permission denied while trying to connect",), "the user may not use Docker: add it to the group that may"),
    (("no such container",), "there is no container {container}: create it, or correct `container` in the site's file"),
    (("is not running",), "the container {container} is stopped: docker start {container}"),
    (("is paused",), "the container {container} is paused: docker unpause {container}"),
    (
        ("oci runtime exec failed", "executable file not found", "unable to start container process"),
        "{python} can't be run in the container {container}: set `container_python` in the site's file",
    ),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A root and an interpreter; in a container both are as seen inside it."""

    root: str
    python: str
    container: str = ""
    docker: str = "docker"

    def arguments(self, command: str = "agent") -> tuple[str, ...]:
        """The argument list that starts an agent there, or another command of operations on the root."""
        started = (self.python, "-P", "-m", "operations", command, self.root)
        return (self.docker, "exec", "-i", self.container, *started) if self.container else started

    def explain(self, status: int | None, said: Sequence[str]) -> str:
        """Why an agent ended with that exit status after those lines of errors, and what to do; empty if unknown.

        Lines that are not recognised are passed on: the last one.
        """
        last = said[-1] if said else ""
        text = "\n".join(said).lower()
        if meaning := self._of_container(status, text):
            return meaning
        if _NO_OPERATIONS in text:
            return f"{self.python} has no operations: install gladiator-console there"
        if status == _NOT_FOUND:
            return f"{self.python} is not on the host: prepare the host, or correct `python` in the site's file"
        if status == _NOT_RUN:
            return f"{self.python} can't be run on the host: {last}"
        return last

    def needs_help(self, status: int | None, said: Sequence[str]) -> bool:
        """Whether that end says of a container that nobody gets in before somebody changes something."""
        return bool(self._of_container(status, "\n".join(said).lower()))

    def _of_container(self, status: int | None, text: str) -> str:
        if not self.container:
            return ""
        for marks, meaning in _DOCKER:
            if any(mark in text for mark in marks):
                return meaning.format(container=self.container, python=self.python)
        if status in (_NOT_FOUND, _NOT_RUN):
            return f"{self.docker} can't be run on the host: install Docker, or set `docker` in the site's file"
        if _NO_OPERATIONS in text:
            inside = f"in the container {self.container}"
            return f"{self.python} {inside} has no operations: install gladiator-console there"
        return ""
