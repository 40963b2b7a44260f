"""What else on a host could carry, or hide, a way out: proxies, names pinned in files, other interfaces."""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import msgspec

from operations.network.interfaces import Interface, interfaces
from operations.network.routes import Unreadable, default_routes

_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy")
_HOSTS = Path("/etc/hosts")
_ENVIRONMENT = Path("/etc/environment")
_SCUTIL = re.compile(r"^\s*(HTTP|HTTPS|SOCKS|ProxyAutoConfig|ProxyAutoDiscovery)(?:Enable)? : 1\s*$", re.MULTILINE)


class Surroundings(msgspec.Struct, frozen=True):
    """Usable default routes, what keeps blocked probes from proving anything, and this host's own addresses."""

    routes: tuple[str, ...]
    doubts: tuple[str, ...]
    pinned: tuple[str, ...]
    own: tuple[str, ...]


def look(names: Collection[str]) -> Surroundings:
    """This host's surroundings; ``names`` are the public names that nobody may have pinned."""
    found = interfaces()
    fixed = pinned(_text(_HOSTS), names)
    doubts = [*proxies(os.environ, _text(_ENVIRONMENT)), *ways(found)]
    doubts += [f"{name} is pinned to {address} in {_HOSTS}" for name, address in fixed]
    if sys.platform == "darwin":
        doubts += mac_proxies(_scutil())
    routes: list[str] = []
    try:
        routes = default_routes()
    except Unreadable as error:
        doubts.append(str(error))
    own = tuple(address for interface in found for address in interface.addresses)
    return Surroundings(tuple(routes), tuple(doubts), tuple(name for name, _ in fixed), own)


def proxies(environment: Mapping[str, str], file: str = "") -> list[str]:
    """Proxies that the environment, or the text of /etc/environment, sets; their addresses are not told."""
    found = [f"a proxy is set: {name}" for name, value in environment.items() if name.lower() in _VARIABLES and value]
    for line in file.splitlines():
        name, _, value = line.strip().removeprefix("export ").partition("=")
        if name.lower() in _VARIABLES and value.strip("\"' "):
            found.append(f"a proxy is set in {_ENVIRONMENT}: {name}")
    return found


def mac_proxies(text: str) -> list[str]:
    """Proxies that ``scutil --proxy`` prints as enabled."""
    return [f"a proxy is set in the system's settings: {name}" for name in _SCUTIL.findall(text)]


def pinned(text: str, names: Collection[str]) -> list[tuple[str, str]]:
    """(name, address) of each of the public names, or of one below them, that a hosts file pins."""
    found = []
    for line in text.splitlines():
        fields = line.partition("#")[0].split()
        for given in fields[1:]:
            plain = given.lower().rstrip(".")
            if any(plain == name or plain.endswith("." + name) for name in names):
                found.append((plain, fields[0]))
    return found


def ways(found: Iterable[Interface]) -> list[str]:
    """Interfaces that are up and lead elsewhere than to a wired network of one's own."""
    doubts = []
    for interface in found:
        if not interface.up:
            continue
        if interface.sort == "wireless":
            doubts.append(f"Wi-Fi is up: {interface.name}")
        addresses = [ipaddress.ip_address(address) for address in interface.addresses]
        if interface.tunnel and interface.sort == "virtual" and any(not a.is_link_local for a in addresses):
            doubts.append(f"a tunnel is up: {interface.name}")
        doubts += [
            f"{interface.name} has a global IPv{address.version} address, {address}"
            for address in addresses
            if address.is_global and not address.is_multicast
        ]
    return doubts


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _scutil() -> str:
    try:
        return subprocess.run(["scutil", "--proxy"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
