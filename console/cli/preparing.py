"""``wheelhouse`` and ``host``: what hosts without internet need."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from typing import TYPE_CHECKING

from console.conductor.errors import Refused, Unusable
from console.conductor.workspace import Workspace

if TYPE_CHECKING:
    from console.plan.sites import Host
    from operations.host.findings import Finding

_WORDS = {True: "met", False: "not met", None: "n/a"}


def wheelhouse_(arguments: argparse.Namespace) -> int:
    """Makes a directory of wheels. Raises Unusable."""
    from console.hosts.prepare import lock, making
    from console.hosts.prepare.wheelhouse import WheelhouseError

    platforms = arguments.platform or list(lock.PLATFORMS)
    pythons = arguments.python or [f"{sys.version_info.major}.{sys.version_info.minor}"]
    for platform in platforms:
        if platform not in lock.PLATFORMS:
            raise Unusable(f"--platform {platform}: none that hosts may be; {', '.join(lock.PLATFORMS)}")
    for python in pythons:
        if not re.fullmatch(r"3\.\d{1,3}", python) or int(python[2:]) < 11:
            raise Unusable(f"--python {python}: write 3.11 or later, as two numbers")
    targets = [lock.Target(platform, python) for platform in platforms for python in dict.fromkeys(pythons)]
    try:
        made = making.make(arguments.directory, targets, lock.lean(), lambda text: print(text, flush=True))
    except (WheelhouseError, lock.LockError) as error:
        raise Unusable(str(error)) from None
    size = sum(entry.size for entry in made.files.values())
    print(f"{arguments.directory}: {len(made.files)} files, {size / 1e6:,.0f} MB, for {', '.join(made.targets)}")
    return 0


def host_(arguments: argparse.Namespace) -> int:
    """Prepares a host, or says what hosts lack. Raises Unusable, Refused."""
    workspace = Workspace.open(arguments.workspace)
    hosts = workspace.site.host
    workspace.close()
    if arguments.host and arguments.host not in hosts:
        raise Unusable(f"no host {arguments.host} in this site; it has {', '.join(hosts)}")
    if arguments.action == "prepare":
        return asyncio.run(_prepare(hosts[arguments.host], arguments))
    chosen = {arguments.host: hosts[arguments.host]} if arguments.host else hosts
    return asyncio.run(_check(chosen, arguments))


async def _check(hosts: dict[str, Host], arguments: argparse.Namespace) -> int:
    from console.hosts.prepare import looking

    roots = [
        str(arguments.workspace.absolute() / host.root) if host.link == "local" else host.root
        for host in hosts.values()
    ]
    found = await asyncio.gather(*map(looking.look, hosts.values(), roots))
    if arguments.json:
        told = {
            name: {f.name: {"met": f.met, "found": f.found, "todo": f.todo} for f in findings}
            for name, findings in zip(hosts, found, strict=True)
        }
        print(json.dumps(told, indent=1, ensure_ascii=False))
    else:
        print("\n\n".join("\n".join([name, *_table(of)]) for name, of in zip(hosts, found, strict=True)))
    return 1 if any(finding.met is False for findings in found for finding in findings) else 0


def _table(findings: list[Finding]) -> list[str]:
    lines = []
    for finding in findings:
        lines.append(f"  {finding.name:10}{_WORDS[finding.met]:9}{finding.found}")
        if finding.todo:
            lines.append(f"{'':21}→ {finding.todo}")
    return lines


async def _prepare(host: Host, arguments: argparse.Namespace) -> int:
    from console.hosts.prepare import installing, looking
    from console.hosts.prepare.wheelhouse import Wheelhouse, WheelhouseError
    from console.hosts.session import Here
    from console.hosts.ssh import SshHost

    def tell(text: str) -> None:
        print(f"{arguments.host}: {text}", flush=True)

    try:
        if host.link == "local":
            tell("is this machine: there is nothing to prepare")
            inside = await looking.container(Here(), host)
        else:
            house = Wheelhouse.open(arguments.wheelhouse)
            installing.environment_of(host)
            async with SshHost(host).session() as session:
                await installing.prepare(host, session, house, arguments.base, tell)
                inside = await looking.container(session, host)
    except WheelhouseError as error:
        raise Unusable(f"{arguments.host}: {error}") from None
    except OSError as error:
        raise Refused(f"{arguments.host}: {error}; a second call goes on from what is there") from None
    if inside.met is not None:
        tell(f"container {inside.found}")
    if inside.met is False:
        raise Refused(f"{arguments.host}: nothing is installed into a container: {inside.todo}")
    return 0
