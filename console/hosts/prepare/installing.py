"""Prepares a host without internet: carries the wheels there, makes its virtual environment, installs and verifies."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from console.hosts.place import Place
from console.hosts.prepare import bare, looking
from console.hosts.prepare.carrying import carry
from console.hosts.prepare.lock import Target
from console.hosts.prepare.wheelhouse import MANIFEST, PROGRAM, REQUIREMENTS, Wheelhouse, WheelhouseError
from console.hosts.session import Session
from console.plan.sites import Host
from console.text import clean
from operations import job, registry, wire

MARK = "gladiator-console.json"
"""In a virtual environment that this program made, and in no other."""
_VENV_SECONDS, _PIP_SECONDS = 300.0, 3_600.0
_PIP = (
    *("install", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--no-index", "--no-deps"),
    "--no-compile",  # most of it is never imported there: what is, is compiled then
)
_HOLD = """\
import fcntl, os, select, sys
file = open(sys.argv[1], "a")
try:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit()
print("held", flush=True)
while select.select([0], [], [], 60.0)[0] and os.read(0, 64):
    pass
"""
"""Holds a lock until its input ends or is silent: a console whose cable was pulled keeps nobody out for long."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """``made``: the environment is whole; ``installed``: SHA-256 of the manifest whose wheels are all in it."""

    schema: Literal[1] = 1
    made: bool = False
    installed: str = ""


def environment_of(host: Host) -> str:
    """The directory of the virtual environment that the site's ``python`` names. Raises WheelhouseError for none."""
    path = PurePosixPath(host.python)
    if not path.is_absolute() or path.parent.name != "bin" or len(path.parts) < 4 or ".." in path.parts:
        raise WheelhouseError(
            f"the site's `python` ({host.python or 'not set'}) names no virtual environment: set it to an absolute "
            f"path such as {host.root}/venv/bin/python"
        )
    return str(path.parent.parent)


async def prepare(host: Host, session: Session, house: Wheelhouse, base: str, tell: Callable[[str], None]) -> None:
    """Prepares the host, or takes up where an earlier call was cut off.

    Raises WheelhouseError with what is wrong with wheelhouse, site or host; OSError if the host is lost.
    """
    environment = environment_of(host)
    _same_program(house)
    platform = await bare.platform(session)
    mark = await _mark(session, environment)
    known = house.pythons(platform)
    python, version = await bare.base(session, host.python if mark and mark.made else base, known)
    target = Target(platform, version)
    tell(f"the host is {platform}, its Python {version} ({python})")
    names = house.names(target)
    house.verify(names)
    place = f"{host.root}/wheelhouse"
    made = await session.run(("mkdir", "-p", place))
    if made.status:
        raise WheelhouseError(
            f"{host.root} can't be made on the host: {made.reason}: make it there, for {session.user}"
        )
    async with session.running((python, "-I", "-c", _HOLD, f"{place}.lock")) as word:
        if word != "held":
            raise WheelhouseError("another call prepares this host just now: wait until it has ended, then call again")
        await _put_right(host, session, house, names, python, environment, place, tell)


async def _put_right(
    host: Host,
    session: Session,
    house: Wheelhouse,
    names: Sequence[str],
    python: str,
    environment: str,
    place: str,
    tell: Callable[[str], None],
) -> None:
    """What only one call at a time may do."""
    mark = await _mark(session, environment)  # another call may have ended since it was read
    sent = await carry(session, python, house, names, place, tell)
    tell(f"{len(names)} files are on the host, {sent} of them sent now")
    digest = hashlib.sha256((house.directory / MANIFEST).read_bytes()).hexdigest()
    if mark is None or not mark.made:
        mark = await _make(session, python, environment, tell)
    if mark.installed == digest:
        try:
            tell(f"was installed already; {await _verify(session, host)}")
            return
        except WheelhouseError as error:
            tell(f"{error}: it is installed anew")
            mark = Mark(made=True)
    await _install(session, host, place, mark, environment, tell)
    await _write(session, environment, Mark(made=True, installed=digest))
    tell(await _verify(session, host))


def _same_program(house: Wheelhouse) -> None:
    """Raises WheelhouseError for one that would bring the host another program than this console's."""
    own, manifest = job.versions().get("gladiator-console", ""), house.manifest
    if manifest.protocol != wire.PROTOCOL:
        raise WheelhouseError(
            f"{house.directory}: its program speaks protocol {manifest.protocol}, this console {wire.PROTOCOL}: make "
            f"the wheelhouse again with this console's version"
        )
    if manifest.program != own:
        raise WheelhouseError(
            f"{house.directory}: its program is {manifest.program}, this console {own}: make the wheelhouse again with "
            f"this console's version"
        )


async def _mark(session: Session, environment: str) -> Mark | None:
    """The mark of an environment of ours; None if there is nothing. Raises WheelhouseError for somebody else's."""
    async with session.sftp() as sftp:
        if not await sftp.exists(environment):
            return None
        with contextlib.suppress(msgspec.DecodeError):
            if await sftp.exists(f"{environment}/{MARK}"):
                async with sftp.open(f"{environment}/{MARK}", "rb", encoding=None) as stream:
                    return msgspec.json.decode(await stream.read(), type=Mark)
            if not set(await sftp.listdir(environment)) - {".", ".."}:  # cut off before it was marked
                return None
    raise WheelhouseError(
        f"{environment} is on the host and was not made by this program: remove it there, or name another in the "
        f"site's `python`"
    )


async def _write(session: Session, environment: str, mark: Mark) -> None:
    async with session.sftp() as sftp:
        new = f"{environment}/.{MARK}.new"
        async with sftp.open(new, "wb") as stream:
            await stream.write(msgspec.json.encode(mark))
        await sftp.posix_rename(new, f"{environment}/{MARK}")


async def _make(session: Session, python: str, environment: str, tell: Callable[[str], None]) -> Mark:
    """Makes the environment, marked before anything else is in it."""
    tell(f"making the virtual environment {environment}")
    ended = await session.run(("mkdir", "-p", environment))
    if ended.status:
        raise WheelhouseError(f"{environment} can't be made on the host: {ended.reason}")
    await _write(session, environment, Mark())
    ended = await session.run((python, "-I", "-m", "venv", environment), seconds=_VENV_SECONDS)
    if ended.status:
        said = clean(ended.output.decode("utf-8", "replace").strip().splitlines()[0]) if ended.output.strip() else ""
        raise WheelhouseError(f"{python} can make no virtual environment on the host: {said or ended.reason}")
    mark = Mark(made=True)
    await _write(session, environment, mark)
    return mark


async def _install(
    session: Session, host: Host, place: str, mark: Mark, environment: str, tell: Callable[[str], None]
) -> None:
    """Installs all wheels; what an install that was cut off has left is installed over."""
    force = () if mark.installed else ("--force-reinstall",)
    await _write(session, environment, Mark(made=True))
    # A host's own settings, such as an index or constraints, have no say.
    pip = ("env", "PIP_CONFIG_FILE=/dev/null", host.python, "-I", "-m", "pip", *_PIP)
    for file, forced in ((REQUIREMENTS, force), (PROGRAM, ("--force-reinstall",))):
        tell(f"installing what {file} names")
        ended = await session.run(
            (*pip, "--require-hashes", *forced, "--find-links", place, "--requirement", f"{place}/{file}"),
            seconds=_PIP_SECONDS,
            told=lambda line: tell(_of_pip(line)) if line.startswith(("Processing", "Installing")) else None,
        )
        if ended.status:
            fault = next((line for line in ended.errors if line.startswith("ERROR:")), ended.reason)
            raise WheelhouseError(f"pip can't install on the host: {fault}")


def _of_pip(line: str) -> str:
    return f"  {line.rpartition('/')[2]}" if line.startswith("Processing") else "  writing them"


async def _verify(session: Session, host: Host) -> str:
    """Starts what was installed; a line that says what it is. Raises WheelhouseError if it is not this console's."""
    place = Place(host.root, host.python)
    listed = await session.run((host.python, "-P", "-m", "operations", "list"))
    if listed.status:
        why = place.explain(listed.status, listed.errors) or listed.reason
        raise WheelhouseError(f"what was installed does not run: {why}")
    lacking = [name for name in registry.NAMES if name not in listed.output.decode("utf-8", "replace").split()]
    if lacking:
        raise WheelhouseError(f"what was installed lacks operations of this console's: {', '.join(lacking)}")
    report, why = await looking.asked(session, place)
    if report is None:
        raise WheelhouseError(f"what was installed does not answer: {why}")
    found = looking.agent(report)
    if not found.met:
        raise WheelhouseError(f"what was installed is not this console's: {found.found}")
    return f"prepared: {found.found}, {len(registry.NAMES)} operations"
