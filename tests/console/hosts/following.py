"""A console without a screen, to be killed: follows job ``j1`` of host A and says ``followed`` at its end.

``following.py WORKSPACE HOST`` where HOST is a `console.plan.sites.Host` as JSON.
"""

import asyncio
import sys
from pathlib import Path

import msgspec

from console.hosts.hosts import Hosts
from console.plan.sites import Host, Site


async def main(workspace: Path, host: Host) -> None:
    hosts = Hosts(Site(schema=1, id="s", title="t", host={"A": host}), workspace)
    hosts.readings("A")
    async for _ in hosts.follow("A", "j1"):
        pass
    print("followed", flush=True)
    await hosts.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Host)))
