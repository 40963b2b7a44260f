"""What a host lacks, as one list of findings: the way there, its interpreter and program, and what that says itself."""

from __future__ import annotations

import getpass
import sys

import msgspec

from console.hosts.link import NotLetIn, UntrustedKey
from console.hosts.place import Place
from console.hosts.prepare import bare
from console.hosts.session import Here, Runner
from console.hosts.ssh import SshHost
from console.plan.sites import Host
from console.text import clean
from operations import job, wire
from operations.host.findings import Finding, HostReport

CHECKS = (
    *("reached", "host key", "user", "python", "agent", "root", "disk", "memory", "gpu", "mlx", "blas", "clock"),
    *("container", "sleep", "logout", "iperf3", "ping"),
)
"""Their names, in the order in which they are shown."""
_ITS_OWN = frozenset(("root", "disk", "memory", "gpu", "mlx", "blas", "sleep", "logout", "iperf3", "ping"))
"""What a host may say of itself; the others are this console's to judge."""
OLDEST = (3, 11)
SECONDS = 180.0
_PREPARE = "prepare the host: gladiator-console host prepare"
_HERE = "it is this machine"


async def look(host: Host, root: str) -> list[Finding]:
    """All of CHECKS in their order. ``root`` is the host's directory as seen there. Raises nothing."""
    found: list[Finding] = []
    missing = "can't be asked"
    try:
        if host.link == "local":
            found += [Finding("reached", True, _HERE), Finding("host key", None, _HERE)]
            found.append(Finding("user", True, getpass.getuser()))
            found += await _inside(Here(), host, root, host.python or sys.executable)
        else:
            async with SshHost(host).session() as session:
                found += [Finding("reached", True, host.address), Finding("host key", True, session.host_key)]
                found.append(Finding("user", True, session.user))
                found += await _inside(session, host, root, host.python or "python3")
    except OSError as error:
        found = [*_way(error), *found[1:]]
        missing = "the host was not reached"
    by_name = {finding.name: finding for finding in found}
    return [_told(by_name.get(name) or Finding(name, None, missing)) for name in CHECKS]


def _told(finding: Finding) -> Finding:
    """As it is shown: cleaned, and nothing to do where it is met."""
    return Finding(finding.name, finding.met, clean(finding.found), clean(finding.todo) if finding.met is False else "")


def _way(error: OSError) -> list[Finding]:
    """How far one came, by what went wrong."""
    why = str(error)
    if isinstance(error, UntrustedKey):
        return [Finding("reached", True, "it answers"), Finding("host key", False, why)]
    if isinstance(error, NotLetIn):
        trusted = Finding("host key", True, "it is a known one")
        return [Finding("reached", True, "it answers"), trusted, Finding("user", False, why)]
    return [Finding("reached", False, why)]


async def _inside(runner: Runner, host: Host, root: str, python: str) -> list[Finding]:
    ended, version, clock = await bare.python(runner, python)
    if not version:
        why = Place(root, python).explain(ended.status, ended.errors) or ended.reason
        system = await bare.system(runner)
        missing = Finding("python", False, f"{why} (the host is {system or 'of an unknown kind'})", _PREPARE)
        none = Finding("agent", False, "there is no interpreter to run it", _PREPARE)
        return [missing, none, *await bare.findings(runner, root), await container(runner, host)]
    new = tuple(map(int, version.split(".")[:2])) >= OLDEST
    todo = f"name Python {OLDEST[0]}.{OLDEST[1]} or later as `python` in the site's file, or {_PREPARE}"
    found = [Finding("python", new, f"{version}, {python}", todo)]
    if clock is not None:
        found.append(clock.finding())
    report, why = await asked(runner, Place(root, python))
    if report is None:
        found.append(Finding("agent", False, why, _PREPARE))
        found += [finding for finding in await bare.findings(runner, root) if finding.name != "clock"]
    else:
        found += [agent(report), *(finding for finding in report.findings if finding.name in _ITS_OWN)]
    return [*found, await container(runner, host)]


async def asked(runner: Runner, place: Place) -> tuple[HostReport | None, str]:
    """What a host, or its container, says of itself; None with the reason. Raises OSError if the host is lost."""
    ended = await runner.run(place.arguments("check"), seconds=SECONDS)
    if ended.status:
        if "invalid choice: 'check'" in ended.reason:
            return None, "its program is older than this console's"
        return None, place.explain(ended.status, ended.errors) or ended.reason
    try:
        return msgspec.json.decode(ended.output.strip().rsplit(b"\n", 1)[-1], type=HostReport), ""
    except msgspec.DecodeError:
        return None, "its program says nothing that this console can read"


def agent(report: HostReport) -> Finding:
    """Whether the host's program is this console's."""
    version = clean(report.versions.get("gladiator-console", "unknown"))
    own = job.versions().get("gladiator-console", "")
    found = f"program {version}, protocol {report.protocol}"
    if report.protocol != wire.PROTOCOL:
        return Finding("agent", False, f"{found}; this console speaks protocol {wire.PROTOCOL}", _PREPARE)
    if version != own:
        return Finding("agent", False, f"{found}; this console is {own}", _PREPARE)
    return Finding("agent", True, found)


async def container(runner: Runner, host: Host) -> Finding:
    """Whether the host's container is up and has this console's program. Raises OSError if the host is lost."""
    if not host.container:
        return Finding("container", None, "the site names none for this host")
    place = Place(host.container_root, host.container_python, host.container, host.docker)
    report, why = await asked(runner, place)
    if report is None:
        return Finding("container", False, f"{host.container}: {why}", must_hold(host))
    own = agent(report)
    if not own.met:
        return Finding("container", False, f"{host.container}: {own.found}", must_hold(host))
    rooted = next((finding for finding in report.findings if finding.name == "root" and not finding.met), None)
    if rooted is not None:
        return Finding("container", False, f"{host.container}: {rooted.found}", must_hold(host))
    python = report.versions.get("python", "unknown")
    return Finding("container", True, f"{host.container} is up: {own.found}, Python {python}")


def must_hold(host: Host) -> str:
    """What has to be in a host's container, which this program installs nothing into."""
    return (
        f"{host.container} must be up and hold {host.container_python} (Python 3.11 or later) with gladiator-console "
        f"and what a wheelhouse's requirements.txt names, and the host's {host.root} as {host.container_root}"
    )
