"""What Linux and macOS say of an interface, in the formats that their manuals give."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.network.interfaces import (
    active_media,
    carrying,
    ethtool_values,
    hardware_ports,
    linux,
    mac,
    media_speed,
    no_speed,
)

ETHTOOL = """\
Settings for enp1s0:
\tSupported ports: [ FIBRE ]
\tSupported link modes:   10000baseT/Full
\tSupports auto-negotiation: No
\tSpeed: 10000Mb/s
\tDuplex: Full
\tAuto-negotiation: off
\tPort: Direct Attach Copper
\tPHYAD: 0
\tTransceiver: internal
\tLink detected: yes
"""
ETHTOOL_DOWN = ETHTOOL.replace("10000Mb/s", "Unknown!").replace("Duplex: Full", "Duplex: Unknown! (255)")
PORTS = """\

Hardware Port: Ethernet
Device: en0
Ethernet Address: 1c:f6:4c:00:00:01

Hardware Port: Wi-Fi
Device: en1
Ethernet Address: 1c:f6:4c:00:00:02

Hardware Port: Thunderbolt Bridge
Device: bridge0
Ethernet Address: 36:2f:d0:00:00:03

VLAN Configurations
===================
"""
IFCONFIG = """\
en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 9000
\toptions=567<RXCSUM,TXCSUM,VLAN_MTU,TSO4,TSO6,AV,CHANNEL_IO>
\tether 1c:f6:4c:00:00:01
\tinet 10.77.0.11 netmask 0xffffff00 broadcast 10.77.0.255
\tnd6 options=201<PERFORMNUD,DAD>
\tmedia: autoselect (10Gbase-T <full-duplex,flow-control>)
\tstatus: active
"""
IFCONFIG_NOTHING = IFCONFIG.replace(" (10Gbase-T <full-duplex,flow-control>)", "")
IFCONFIG_DOWN = IFCONFIG_NOTHING.replace("status: active", "status: inactive")
BRIDGE = """\
bridge0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500
\tmember: en2 flags=3<LEARNING,DISCOVER>
\tmedia: autoselect
\tstatus: active
"""
GET_MEDIA = "Current: autoselect\nActive: 2500Base-T <full-duplex,flow-control,energy-efficient-ethernet>\n"


def sysfs(tmp_path: Path, name="enp1s0", driver="ixgbe", **files) -> Path:
    directory = tmp_path / name
    given = {"type": "1", "mtu": "9000", "operstate": "up", "carrier": "1", "speed": "10000", "duplex": "full"}
    directory.mkdir()
    for file, text in {**given, **files}.items():
        if text is not None:
            (directory / file).write_text(f"{text}\n")
    if driver:
        (tmp_path / "drivers" / driver).mkdir(parents=True)
        (directory / "device").mkdir()
        (directory / "device" / "driver").symlink_to(tmp_path / "drivers" / driver)
    return directory


def test_a_wired_link_on_linux(tmp_path):
    found = linux(sysfs(tmp_path), ETHTOOL)
    assert (found.sort, found.speed, found.mtu, found.duplex) == ("wired", 10.0, 9000, "full")
    assert found.media == "Direct Attach Copper"
    assert found.why == ""


def test_ethtool_where_sysfs_tells_no_speed(tmp_path):
    assert linux(sysfs(tmp_path, speed="-1"), ETHTOOL).speed == 10.0


@pytest.mark.parametrize(
    ("files", "ethtool", "why"),
    [
        ({"operstate": "down", "carrier": None, "speed": None}, ETHTOOL, "enp1s0 is down"),
        ({"carrier": "0"}, "", "enp1s0 is down"),
        ({"speed": "-1"}, ETHTOOL_DOWN, "enp1s0 tells no negotiated speed"),
        ({"speed": None}, "", "enp1s0 tells no negotiated speed"),
        ({"speed": "0"}, "", "enp1s0 tells no negotiated speed"),
    ],
)
def test_no_speed_on_linux_has_a_reason(tmp_path, files, ethtool, why):
    found = linux(sysfs(tmp_path, **files), ethtool)
    assert (found.speed, found.why) == (None, why)
    assert no_speed(found, "10.0.0.1") == why


@pytest.mark.parametrize(
    ("name", "driver", "files", "sort"),
    [
        ("eth0", "", {}, "virtual"),  # veth: no device behind it
        ("br0", "", {}, "virtual"),
        ("eth0", "virtio_net", {}, "virtual"),
        ("tun0", "", {"type": "65534", "tun_flags": "0x1001"}, "virtual"),
        ("lo", "", {"type": "772", "operstate": "unknown", "speed": None}, "loopback"),
        ("wlan0", "iwlwifi", {"phy80211": ""}, "wireless"),
    ],
)
def test_what_is_no_wire_gives_no_speed(tmp_path, name, driver, files, sort):
    """Even where the kernel prints one: a veth says 10000."""
    found = linux(sysfs(tmp_path, name, driver, **files))
    assert found.sort == sort
    assert sort in no_speed(found, "10.0.0.1")
    assert found.tunnel is (name == "tun0")


def test_a_wired_link_on_a_mac():
    found = mac("en0", hardware_ports(PORTS), IFCONFIG)
    assert (found.sort, found.speed, found.mtu, found.duplex) == ("wired", 10.0, 9000, "full")
    assert found.media == "autoselect (10Gbase-T <full-duplex,flow-control>)"
    assert no_speed(found, "10.77.0.11") == ""


def test_networksetup_is_asked_first():
    assert mac("en0", hardware_ports(PORTS), IFCONFIG_NOTHING, GET_MEDIA).speed == 2.5
    assert active_media("Current: autoselect\nActive: none\n") == ""


@pytest.mark.parametrize(
    ("name", "ifconfig", "sort", "why"),
    [
        ("en0", IFCONFIG_NOTHING, "wired", "en0 says 'autoselect', no negotiated speed"),
        ("en0", IFCONFIG_DOWN, "wired", "en0 is down"),
        ("en0", "", "wired", "en0 is down"),
        ("en1", IFCONFIG.replace("en0", "en1"), "wireless", "en1 is a wireless link"),
        ("bridge0", BRIDGE, "virtual", "bridge0 is a virtual link"),
        ("utun3", "utun3: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> mtu 1380\n", "virtual", "is a virtual link"),
        ("lo0", "lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384\n", "loopback", "lo0 is a loopback link"),
    ],
)
def test_no_speed_on_a_mac_has_a_reason(name, ifconfig, sort, why):
    found = mac(name, hardware_ports(PORTS), ifconfig)
    assert found.sort == sort
    assert why in no_speed(found, "10.0.0.1")


@pytest.mark.parametrize(
    ("media", "speed"),
    [
        ("autoselect", None),
        ("autoselect (none)", None),
        ("autoselect <full-duplex>", None),
        ("autoselect (1000baseT <full-duplex>)", 1.0),
        ("2500Base-T <full-duplex>", 2.5),
        ("10GbaseSR", 10.0),
        ("100baseTX <half-duplex>", 0.1),
        ("5000Base-T", 5.0),
    ],
)
def test_speed_of_a_media_subtype(media, speed):
    assert media_speed(media) == speed


def test_the_interface_that_has_the_address(tmp_path):
    assert carrying((), "10.0.0.1") is None
    assert no_speed(None, "10.0.0.1") == "no interface has the address 10.0.0.1"


@given(st.text(), st.text())
def test_no_text_is_too_strange(one, two):
    mac("en0", hardware_ports(one), two, one)
    ethtool_values(one)
