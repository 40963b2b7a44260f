"""Routes, proxies, pinned names and interfaces, from what systems print."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.network import routes
from operations.network.interfaces import Interface
from operations.network.surroundings import mac_proxies, pinned, proxies, ways

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
NEAR = "eth0\t004D4D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
DEFAULT = "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
BLACKHOLE = "*\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n"
UNREACHABLE = "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"
HALVES = (
    "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
    "tun0\t00000080\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
)
ZERO = "0" * 32
LOCAL_6 = f"fd770000000000000000000000000000 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001     eth0\n"
DEFAULT_6 = f"{ZERO} 00 {ZERO} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
REJECT_6 = f"{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200       lo\n"
MULTICAST_6 = f"ff000000000000000000000000000000 08 {ZERO} 00 {ZERO} 00000100 00000002 00000000 00000001     eth0\n"
MAC = """\
Routing tables

Internet:
Destination        Gateway            Flags               Netif Expire
default            192.168.1.1        UGScg                 en0
127                127.0.0.1          UCS                   lo0
192.168.1          link#6             UCS                   en0      !
"""
MAC_BLACKHOLE = MAC.replace("UGScg ", "UGScgB")
MAC_6 = """\
Routing tables

Internet6:
Destination                             Gateway                                 Flags               Netif Expire
default                                 fe80::%utun0                            UGcIg               utun0
default                                 fe80::%utun1                            UGcIg               utun1
::1                                     ::1                                     UHL                   lo0
"""
MAC_6_REAL = MAC_6.replace("fe80::%utun0", "fe80::1%en0 ").replace(
    "UGcIg               utun0", "UGcg                en0"
)
SCUTIL = """\
<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
  }
  FTPPassive : 1
  HTTPEnable : 1
  HTTPPort : 3128
  HTTPProxy : 10.0.0.1
  HTTPSEnable : 0
  ProxyAutoConfigEnable : 1
}
"""


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (NEAR, []),
        (NEAR + DEFAULT, ["IPv4 default route by eth0 via 192.0.2.1"]),
        (NEAR + BLACKHOLE, []),
        (NEAR + UNREACHABLE, []),
        (HALVES, ["IPv4 default route by tun0", "IPv4 default route by tun0"]),
    ],
)
def test_default_routes_of_linux(lines, found):
    assert routes.linux_4(HEAD + lines) == found


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ("", []),
        (LOCAL_6 + REJECT_6 + MULTICAST_6, []),
        (LOCAL_6 + DEFAULT_6 + REJECT_6, ["IPv6 default route by eth0 via fe80::1"]),
    ],
)
def test_default_routes_of_linux_over_ipv6(lines, found):
    assert routes.linux_6(lines) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (MAC, ["IPv4 default route by en0 via 192.168.1.1"]),
        (MAC_BLACKHOLE, []),
        (MAC_6, []),
        (MAC_6_REAL, ["IPv6 default route by en0 via fe80::1%en0"]),
    ],
)
def test_default_routes_of_a_mac(text, found):
    assert routes.mac(text) == found


@pytest.mark.parametrize("text", ["", HEAD + "eth0 zz", HEAD + "eth0\t0\t0", "nonsense"])
@pytest.mark.parametrize("read", [routes.linux_4, routes.mac])
def test_a_table_that_was_cut_is_no_absence_of_routes(read, text):
    with pytest.raises(routes.Unreadable):
        read(text)


@given(st.text())
def test_any_table_is_read_or_refused(text):
    for read in (routes.linux_4, routes.linux_6, routes.mac):
        for given_text in (text, HEAD + text):
            with contextlib.suppress(routes.Unreadable):
                read(given_text)


def test_proxies_are_named_and_their_addresses_kept_quiet():
    found = proxies({"https_proxy": "http://me:secret@10.0.0.1", "HTTP_PROXY": "", "no_proxy": "*"}, "")
    assert found == ["a proxy is set: https_proxy"]
    assert proxies({}, 'export ALL_PROXY="socks://10.0.0.1"\nPATH=/bin\nhttp_proxy=""\n') == [
        "a proxy is set in /etc/environment: ALL_PROXY"
    ]
    assert mac_proxies(SCUTIL) == [
        "a proxy is set in the system's settings: HTTP",
        "a proxy is set in the system's settings: ProxyAutoConfig",
    ]


def test_pinned_public_names():
    text = "127.0.0.1 localhost\n# 192.0.2.1 google.com\n192.0.2.1 Google.com. alias # x\n192.0.2.2 www.google.com\n"
    assert pinned(text, ["google.com"]) == [("google.com", "192.0.2.1"), ("www.google.com", "192.0.2.2")]
    assert pinned("192.0.2.1 notgoogle.com\n", ["google.com"]) == []


def test_interfaces_that_lead_elsewhere():
    wired = Interface("en0", "wired", True, addresses=("10.77.0.11", "fe80::1", "fd77::11"))
    assert ways([wired, Interface("lo", "loopback", True, addresses=("127.0.0.1", "::1"))]) == []
    found = ways(
        [
            Interface("wlan0", "wireless", True, addresses=("192.168.1.7",)),
            Interface("wlan1", "wireless", False),
            Interface("tun0", "virtual", True, tunnel=True, addresses=("10.8.0.2",)),
            Interface("utun0", "virtual", True, tunnel=True, addresses=("fe80::2",)),
            Interface("en5", "wired", True, addresses=("2001:4860::5", "8.8.4.4")),
        ]
    )
    assert found == [
        "Wi-Fi is up: wlan0",
        "a tunnel is up: tun0",
        "en5 has a global IPv6 address, 2001:4860::5",
        "en5 has a global IPv4 address, 8.8.4.4",
    ]
