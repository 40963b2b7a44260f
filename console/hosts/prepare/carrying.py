"""Carries files to a host over its SSH connection; what is there with the right SHA-256 is not sent again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from console.hosts.prepare.wheelhouse import Wheelhouse, WheelhouseError
from console.hosts.session import Session
from console.text import clean

BLOCK = 261_120
"""Bytes of one write: OpenSSH's server drops the connection at more."""
_DIGEST_SECONDS = 600.0
_DIGESTS = """\
import hashlib, os, sys
for name in sorted(os.listdir(sys.argv[1])):
    path = os.path.join(sys.argv[1], name)
    if os.path.isfile(path):
        with open(path, "rb") as stream:
            print(hashlib.file_digest(stream, "sha256").hexdigest(), name)
"""


async def carry(
    session: Session, python: str, house: Wheelhouse, names: Sequence[str], place: str, tell: Callable[[str], None]
) -> int:
    """Brings the files into the directory ``place``, each whole or not at all, and says how many were sent.

    Raises WheelhouseError that names a file that is another one there afterwards, OSError if the host is lost.
    """
    locked = house.manifest.files
    there = await digests(session, python, place)
    missing = [name for name in names if there.get(name) != locked[name].sha256]
    if len(missing) < len(names):
        tell(f"{len(names) - len(missing)} of {len(names)} files are there already")
    async with session.sftp() as sftp:
        for number, name in enumerate(missing, 1):
            tell(f"sending {number} of {len(missing)}: {name} ({locked[name].size / 1e6:,.1f} MB)")
            partial = f"{place}/.{name}.part"
            # one write after another: the library's own copying leaves tasks behind when the host is lost
            with (house.directory / name).open("rb") as source:
                async with sftp.open(partial, "wb", block_size=BLOCK) as sink:
                    while data := source.read(BLOCK):
                        await sink.write(data)
            await sftp.posix_rename(partial, f"{place}/{name}")
        for name in there.keys() - set(names):
            if name.endswith(".whl"):  # of a program before this one
                await sftp.remove(f"{place}/{name}")
    if missing:
        there = await digests(session, python, place)
    for name in names:
        if there.get(name) != locked[name].sha256:
            raise WheelhouseError(f"{place}/{name} on the host is not the file that was sent: look at its disk")
    return len(missing)


async def digests(session: Session, python: str, place: str) -> dict[str, str]:
    """SHA-256 of each file in a directory of the host, by name. Raises OSError, also if they can't be read."""
    ended = await session.run((python, "-I", "-c", _DIGESTS, place), seconds=_DIGEST_SECONDS)
    if ended.status:
        raise OSError(f"{place} on the host can't be read: {ended.reason}")
    lines = [clean(line).split(" ", 1) for line in ended.output.decode("utf-8", "replace").splitlines()]
    return {words[1]: words[0] for words in lines if len(words) == 2}
