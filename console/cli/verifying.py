"""``verify``: a signed package of models, checked on a machine that has nothing else."""

from __future__ import annotations

import argparse
import sys

from console.conductor import wording
from console.conductor.errors import Unusable
from console.text import clean
from operations.contract import Refusal
from operations.package import verifying


def verify_(arguments: argparse.Namespace) -> int:
    """Prints what holds; exit 1 and every fault by name if something does not. Raises Unusable."""
    try:
        found = verifying.verify(
            arguments.package,
            key=arguments.key,
            signers=arguments.signers,
            allow_rehearsal=arguments.allow_rehearsal,
        )
    except Refusal as refusal:
        raise Unusable(clean(str(refusal))) from None
    print(f"{arguments.package}: {found.files} files, {wording.size(found.size)}, digest {found.digest}")
    for line in (*found.signatures, *(f"not checked: {name}" for name in found.unchecked)):
        print(clean(line))
    if found.standing:
        print(f"a GO on it reads: {clean(found.standing)}")
    for fault in found.faults:
        print(f"gladiator-console: {clean(fault)}", file=sys.stderr)
    number = len(found.faults)
    print(f"{number} faults" if number != 1 else "1 fault")
    return 1 if found.faults else 0
