"""A host's network interfaces as the system tells them: wired or not, speed, MTU, media. Linux and macOS.

Linux: sysfs (kernel documentation, ABI/testing/sysfs-class-net) and, if there, ``ethtool``. macOS: ``networksetup
-listallhardwareports`` and ``-getMedia``, and ``ifconfig``.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

Sort = Literal["wired", "wireless", "virtual", "loopback"]
SYSFS = Path("/sys/class/net")
_PARAVIRTUAL = ("virtio_net", "vmxnet3", "hv_netvsc", "xen_netfront", "vif", "ena", "gve")
"""Drivers of network cards that a hypervisor makes up: their speed is nobody's."""
_SECONDS = 5.0
_MEDIA = re.compile(r"(\d+(?:\.\d+)?)(G?)base", re.IGNORECASE)
_MAC_MEDIA = re.compile(r"^\s*media:\s*(.+?)\s*$", re.MULTILINE)
_MAC_TUNNELS = ("utun", "gif", "stf", "ipsec", "ppp", "tun", "tap", "wg")


class Interface(msgspec.Struct, frozen=True):
    """One interface. ``speed`` is what was negotiated, in Gbit/s, or None with the reason in ``why``."""

    name: str
    sort: Sort
    up: bool
    mtu: int | None = None
    speed: float | None = None
    duplex: str = ""
    media: str = ""
    why: str = ""
    tunnel: bool = False
    addresses: tuple[str, ...] = ()


def interfaces() -> tuple[Interface, ...]:
    """All interfaces of this host, with their addresses."""
    import psutil

    given: dict[str, tuple[str, ...]] = {}
    for name, found in psutil.net_if_addrs().items():
        given[name] = tuple(a.address.partition("%")[0] for a in found if _is_address(a.address))
    if sys.platform == "darwin":
        ports = hardware_ports(_said("networksetup", "-listallhardwareports"))
        read = [mac(name, ports, _said("ifconfig", name), _said("networksetup", "-getMedia", name)) for name in given]
    else:
        names = sorted(path.name for path in SYSFS.iterdir() if path.is_dir()) if SYSFS.is_dir() else list(given)
        read = [linux(SYSFS / name, _said("ethtool", name)) for name in names]
    return tuple(msgspec.structs.replace(i, addresses=given.get(i.name, ())) for i in read)


def carrying(found: tuple[Interface, ...], address: str) -> Interface | None:
    """The interface that has the address, or None."""
    plain = address.partition("%")[0]
    return next((i for i in found if plain in i.addresses), None)


def no_wire(interface: Interface | None, address: str) -> str:
    """Why nothing that crosses the interface with this address crosses a wire; empty if it does."""
    if interface is None:
        return f"no interface has the address {address}"
    if interface.sort == "wired":
        return ""
    return f"{interface.name} is a {interface.sort} link"


def no_speed(interface: Interface | None, address: str) -> str:
    """Why there is no speed of a wired link to tell for the interface with this address; empty if there is."""
    return no_wire(interface, address) or (interface.why if interface else "")


# Linux


def linux(directory: Path, ethtool: str = "") -> Interface:
    """One interface from its directory in sysfs, and what ``ethtool NAME`` printed, if it did."""
    sort = _linux_sort(directory)
    up = _sysfs(directory, "operstate") in ("up", "unknown") and _sysfs(directory, "carrier") != "0"
    mtu = _sysfs(directory, "mtu")
    megabits = _sysfs(directory, "speed")
    said = ethtool_values(ethtool)
    speed, why = None, ""
    if not up:
        why = f"{directory.name} is down"
    elif megabits.isdigit() and int(megabits):
        speed = int(megabits) / 1000
    elif found := re.fullmatch(r"(\d+)Mb/s", said.get("Speed", "")):
        speed = int(found[1]) / 1000
    else:
        why = f"{directory.name} tells no negotiated speed"
    duplex = _sysfs(directory, "duplex") or said.get("Duplex", "").lower()
    return Interface(
        name=directory.name,
        sort=sort,
        up=up,
        mtu=int(mtu) if mtu.isdigit() else None,
        speed=speed,
        duplex=duplex if duplex in ("full", "half") else "",
        media=said.get("Port", ""),
        why=why,
        tunnel=_sysfs(directory, "type") not in ("1", "772") or (directory / "tun_flags").exists(),
    )


def ethtool_values(text: str) -> dict[str, str]:
    """The ``Name: value`` lines of ``ethtool NAME``."""
    found = (line.partition(": ") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in found if value}


def _linux_sort(directory: Path) -> Sort:
    if _sysfs(directory, "type") == "772":
        return "loopback"
    if (directory / "wireless").exists() or (directory / "phy80211").exists():
        return "wireless"
    device = directory / "device"
    if not device.exists() or _sysfs(directory, "type") != "1":
        return "virtual"
    driver = device / "driver"
    return "virtual" if driver.exists() and driver.resolve().name in _PARAVIRTUAL else "wired"


def _sysfs(directory: Path, name: str) -> str:
    try:
        return (directory / name).read_text().strip()
    except OSError:
        # Reading the speed of an interface that is down is an error by itself.
        return ""


# macOS


def hardware_ports(text: str) -> dict[str, str]:
    """Device -> name of its hardware port, from ``networksetup -listallhardwareports``."""
    found = re.findall(r"^Hardware Port: (.+)\nDevice: (\S+)", text, re.MULTILINE)
    return {device: port for port, device in found}


def mac(name: str, ports: Mapping[str, str], ifconfig: str, networksetup: str = "") -> Interface:
    """One interface from its hardware port, its ``ifconfig`` and ``networksetup -getMedia``."""
    media = active_media(networksetup) or (found[1] if (found := _MAC_MEDIA.search(ifconfig)) else "")
    up = "status: inactive" not in ifconfig and "UP" in re.split(r"[<>,]", ifconfig.partition("\n")[0])
    mtu = re.search(r"\bmtu (\d+)", ifconfig)
    speed = media_speed(media)
    why = ""
    if not up:
        speed, why = None, f"{name} is down"
    elif speed is None:
        why = f"{name} says {media!r}, no negotiated speed" if media else f"{name} tells no media"
    duplex = re.search(r"(full|half)-duplex", media)
    return Interface(
        name=name,
        sort=_mac_sort(name, ports),
        up=up,
        mtu=int(mtu[1]) if mtu else None,
        speed=speed,
        duplex=duplex[1] if duplex else "",
        media=media,
        why=why,
        tunnel=name.rstrip("0123456789") in _MAC_TUNNELS,
    )


def active_media(text: str) -> str:
    """What ``networksetup -getMedia`` says is negotiated; empty if it says nothing of the kind."""
    found = re.search(r"^Active:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    return found[1] if found and found[1] != "none" else ""


def media_speed(media: str) -> float | None:
    """Gbit/s of a media subtype such as ``autoselect (10Gbase-T <full-duplex>)``; None if it names none."""
    found = _MEDIA.search(media)
    if not found:
        return None
    return float(found[1]) if found[2] else float(found[1]) / 1000


def _mac_sort(name: str, ports: Mapping[str, str]) -> Sort:
    if name.startswith("lo"):
        return "loopback"
    port = ports.get(name, "")
    if "Wi-Fi" in port or "AirPort" in port:
        return "wireless"
    return "wired" if port and not name.startswith("bridge") else "virtual"


def _said(*command: str) -> str:
    """What the command printed; empty if it is not there or failed."""
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True, errors="replace")
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
