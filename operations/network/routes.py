"""Default routes that lead somewhere, as any user may read them. Linux: /proc/net; macOS: ``netstat -rn``.

The kernel's own tables (RTF_* of linux/route.h and linux/ipv6_route.h; route(8) and netstat(1) of macOS). A route that
swallows or rejects is none. Two halves of everything (0.0.0.0/1 and 128.0.0.0/1) are a default too, as tunnels set it.
"""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from pathlib import Path

_UP = 0x1
_REJECT = 0x200
_WIDEST = {4: 1, 6: 3}
"""Prefix lengths up to this are a way to everything: the global unicast addresses of IPv6 are 2000::/3."""


class Unreadable(Exception):
    """The system's table of routes could not be had."""


def default_routes() -> list[str]:
    """Usable default routes, IPv4 and IPv6, in words. Raises Unreadable."""
    if sys.platform == "darwin":
        return [route for family in ("inet", "inet6") for route in mac(_netstat(family))]
    return linux_4(_table("/proc/net/route")) + linux_6(_table("/proc/net/ipv6_route", absent=""))


def linux_4(text: str) -> list[str]:
    """From /proc/net/route. Raises Unreadable for what is no such table."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("Iface"):
        raise Unreadable("the IPv4 routes are not as Linux writes them")
    found = []
    for line in lines[1:]:
        fields = line.split()
        try:
            interface, gateway = fields[0], ipaddress.IPv4Address(int(fields[2], 16).to_bytes(4, "little"))
            flags, length = int(fields[3], 16), int(fields[7], 16).bit_count()
        except (ValueError, IndexError, OverflowError):
            raise Unreadable(f"an IPv4 route can't be read: {line!r:.80}") from None
        # A blackhole has no interface, and its flags don't tell.
        if flags & _UP and not flags & _REJECT and interface != "*" and length <= _WIDEST[4]:
            found.append(f"IPv4 default route by {interface}{'' if not int(gateway) else f' via {gateway}'}")
    return found


def linux_6(text: str) -> list[str]:
    """From /proc/net/ipv6_route; an empty text is a host without IPv6. Raises Unreadable."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        try:
            destination, length = ipaddress.IPv6Address(bytes.fromhex(fields[0])), int(fields[1], 16)
            gateway = ipaddress.IPv6Address(bytes.fromhex(fields[4]))
            flags, interface = int(fields[8], 16), fields[9]
        except (ValueError, IndexError):
            raise Unreadable(f"an IPv6 route can't be read: {line!r:.80}") from None
        wide = length <= _WIDEST[6] and not destination.is_multicast
        if wide and flags & _UP and not flags & _REJECT and interface != "lo":
            found.append(f"IPv6 default route by {interface}{'' if not int(gateway) else f' via {gateway}'}")
    return found


def mac(text: str) -> list[str]:
    """From ``netstat -rn -f inet`` or ``inet6``. Raises Unreadable if it has no table."""
    lines = iter(text.splitlines())
    columns: list[str] = []
    for line in lines:
        if line.split()[:2] == ["Destination", "Gateway"]:
            columns = line.split()
            break
    if not columns:
        raise Unreadable("netstat printed no table of routes")
    family = "IPv6" if "Internet6:" in text else "IPv4"
    found = []
    for line in lines:
        fields = line.split()
        if len(fields) < 4 or fields[0] not in ("default", "0/1", "128.0/1", "::/0", "2000::/3"):
            continue
        gateway, flags, interface = fields[1], fields[2], fields[3]
        # Each tunnel of the system's own has a scoped default by its link-local address: nothing else may use it.
        scoped = "I" in flags and gateway.startswith("fe80::%")
        if "U" in flags and not {"B", "R"} & set(flags) and not scoped:
            found.append(f"{family} default route by {interface} via {gateway}")
    return found


def _table(path: str, absent: str | None = None) -> str:
    try:
        return Path(path).read_text()
    except FileNotFoundError:
        if absent is not None:
            return absent
        raise Unreadable(f"{path} is not there") from None
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from None


def _netstat(family: str) -> str:
    try:
        found = subprocess.run(["netstat", "-rn", "-f", family], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unreadable(f"netstat: {error}") from None
    return found.stdout
