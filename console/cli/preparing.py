"""``wheelhouse`` and ``host``: what hosts without internet need."""

from __future__ import annotations

import argparse
import re
import sys

from console.conductor.errors import Unusable


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
