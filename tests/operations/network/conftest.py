"""Jobs of one run on the hosts of the lab, as real processes in their namespaces, and on one machine."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from operations import events, job

TOKEN = "c0ffee"


class Run:
    """One run's jobs, a root each. ``hosts`` names the lab's host of each role; without a lab all are this machine."""

    def __init__(self, host, roots: Path, operation: str, roles, lab=None, hosts=()) -> None:
        self.host, self.operation, self.roles, self.lab = host, operation, roles, lab
        self.on = dict(zip(roles, hosts, strict=False))
        self.roots = {role: roots / role for role in roles}
        self.processes: dict[str, subprocess.Popen] = {}
        self.id = "t1"

    def start(self, role, *, token=TOKEN, resume=(), environment=None, **parameters):
        """Starts one role's job with whatever endpoint it is given."""
        given = {"role": role, "patience": 10.0, **parameters}
        asked = job.JobFile(
            id=self.id, task="T", operation=self.operation, role=role, parameters=given, resume=tuple(resume)
        )
        directory = job.claim(self.roots[role], asked)
        command = [sys.executable, "-P", "-m", "operations", "run", str(directory), "--launched"]
        if role in self.on:
            ip, *rest = self.lab.arguments(self.on[role], *command)
            command = [shutil.which(ip) or ip, *rest]
        process = self.processes[role] = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env={**self.host.environment, **(environment or {})},
        )
        self.host.started.append(process)
        process.stdin.write(json.dumps({"token": token}).encode() + b"\n")
        process.stdin.close()
        return directory

    def endpoint(self) -> dict:
        """Where the first role listens, as the others' parameters."""
        first = self.roles[0]

        def told():
            assert self.processes[first].poll() is None or self.said(first, events.Endpoint), self.said(
                first, events.Finished
            )
            return self.said(first, events.Endpoint)

        end = self.host.until(told)[0]
        return {"endpoint_address": end.address, "endpoint_port": end.port}

    def all(self, *, roles=None, per_role=None, **parameters) -> dict[str, events.Finished]:
        """Starts all roles, the first first, and sees them to their ends."""
        per_role = per_role or {}
        first, *others = roles or self.roles
        self.start(first, **parameters, **per_role.get(first, {}))
        where = self.endpoint()
        for role in others:
            self.start(role, **{**parameters, **where, **per_role.get(role, {})})
        return self.ended()

    def ended(self) -> dict[str, events.Finished]:
        for process in self.processes.values():
            process.wait(90)
        return {role: self.host.history(self.directory(role))[-1] for role in self.processes}

    def directory(self, role) -> Path:
        return self.roots[role] / "jobs" / self.id

    def said(self, role, kind) -> list:
        return self.host.said(self.directory(role), kind)

    def log(self, role) -> str:
        return "\n".join(event.text for event in self.said(role, events.Log))

    def measures(self, role) -> dict[str, events.Measured]:
        return {event.name: event for event in self.said(role, events.Measured)}


@pytest.fixture
def new_run(host, tmp_path):
    """Makes a `Run`."""
    return lambda operation, roles, **on: Run(host, tmp_path, operation, roles, **on)
