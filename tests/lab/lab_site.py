"""A site of the lab's three hosts: ALPHA, BETA and AIR over SSH, with the shipped rehearsal's amounts.

The air gap of namespaces is one, so its criteria gate; what the lab has not is listed under ``not_here``.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import tomli_w
from host_lab import HostLab

from console.plan.loading import shipped

NOT_HERE = {
    "G1n.throughput": "all hosts share one machine, their links are virtual",
    "G1n.seconds": "all hosts share one machine, their links are virtual",
}


def lab_site(
    lab: HostLab,
    path: Path,
    parameters: Mapping[str, Mapping[str, object]],
    *,
    gates: frozenset[str] = frozenset(),
    python: Mapping[str, str] | None = None,
) -> Path:
    """Writes the site's file; of the shipped ``not_here`` what concerns other gates than ``gates`` is left out.

    ``parameters`` replace the shipped rehearsal's task by task; ``python`` is a host's interpreter by lab name. The
    hosts may ask by ICMP afterwards, as a Mac and most distributions let everyone.
    """
    site = tomllib.loads((shipped("sites") / "rehearsal.toml").read_text())
    site |= {"id": "lab", "title": "Lab", "about": "Three hosts in network namespaces of one machine, over SSH."}
    site["host"] = {
        name.upper(): {
            "link": "ssh",
            "address": there.address,
            "wired": there.address,
            "user": there.user,
            "identity": str(there.identity),
            "known_hosts": str(there.known_hosts),
            "root": str(there.root),
            "python": (python or {}).get(name, sys.executable),
        }
        for name, there in lab.host.items()
    }
    kept = {name: why for name, why in site["not_here"].items() if name.partition(".")[0] in gates}
    site["not_here"] = kept | NOT_HERE
    site["parameters"] = dict(parameters)
    path.write_text(tomli_w.dumps(site))
    for name in lab.host:
        lab.run(name, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    return path
