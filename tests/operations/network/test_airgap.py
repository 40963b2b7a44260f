"""The air gap of three hosts in namespaces: leaky, closed, without a tool, without a control, all on one machine."""

import json
from pathlib import Path

import pytest

from operations import events

ROLES = ("first", "second", "third")
NAMES = ["alpha", "beta", "air"]
QUICK = {"names": NAMES, "wait": 1.0, "pings": 2}


@pytest.fixture
def gap(lab, new_run):
    """The operation on alpha, beta and air, which may ask by ICMP without root."""
    for name in NAMES:
        lab.run(name, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    run = new_run("network.airgap", ROLES, lab=lab, hosts=NAMES)
    run.address = {"address": lab.host["alpha"].address}
    return run


def found(run, name):
    return run.measures("first")[name]


def test_closed_hosts_that_answer_each_other_are_enforced(gap):
    ends = gap.all(**gap.address, **QUICK)
    assert {end.outcome for end in ends.values()} == {"done"}, ends
    assert found(gap, "verdict").value == "ENFORCED", found(gap, "why").value
    assert found(gap, "ways").value == 0
    assert found(gap, "answered").value == 0
    assert found(gap, "asked").value > 60
    assert (found(gap, "inward").value, found(gap, "failed").value) == (4, 0)
    assert found(gap, "controls").value == 3 * 2 * 7
    for role in ROLES:
        assert "0 of 25 outward answered, 14 of 14 controls passed" in gap.measures(role)["here"].value
        (made,) = gap.said(role, events.Made)
        told = json.loads((gap.roots[role] / made.path).read_text())
        assert set(told) == (set(ROLES) if role == "first" else {role})
        for answer in told[role]["outward"]:
            assert answer["probe"]["target"]
            assert answer["tool"]
            assert answer["said"]
            assert answer["at"] > 1e9
    assert "outward icmp 8.8.8.8: silent (Network is unreachable; datagram ICMP socket" in gap.log("third")
    assert "inward dns-udp" in gap.log("second")


@pytest.mark.parametrize("leaking", ["alpha", "air"])
def test_one_leaky_host_breaks_the_gap(gap, lab, leaking):
    lab.leak(leaking)
    gap.all(**gap.address, **QUICK, outside=["8.8.8.8", "2001:4860:4860::8888"], clocks=["8.8.8.8"])
    assert found(gap, "verdict").value == "BROKEN"
    role = ROLES[NAMES.index(leaking)]
    why = found(gap, "why").value
    for kind in ("icmp 8.8.8.8", "icmp 2001:", "tcp 8.8.8.8 port 443", "tls 8.8.8.8", "tls google.com", "dns-udp 8.8"):
        assert f"{role}: {kind}" in why
    for kind in ("dns-tcp 8.8.8.8", "resolver google.com", "ntp 8.8.8.8", "dns-udp 2001:"):
        assert f"{role}: {kind}" in why
    assert f"{role}: IPv4 default route by wan0 via 203.0.113.1" in why
    assert f"{role}: IPv6 default route by wan0" in why
    assert all(part.startswith(f"{role}: ") for part in why.split("; "))
    assert found(gap, "answered").value >= 15
    assert "tls 8.8.8.8 port 443 for google.com: answered (connected; its certificate is no good" in gap.log(role)
    assert found(gap, "ways").value == found(gap, "answered").value + 2


def test_a_way_to_one_address_is_a_way_out(gap, lab):
    """No default route: what lets 8.8.8.8 through and nothing else is found by asking."""
    lab.leak("beta", captive=True)
    gap.all(**gap.address, **QUICK)
    assert found(gap, "verdict").value == "BROKEN"
    assert "default route" not in found(gap, "why").value
    assert "second: dns-udp 8.8.8.8 port 53 for google.com answered" in found(gap, "why").value


def test_a_blackhole_is_no_route(gap, lab):
    lab.run("alpha", "ip", "route", "add", "blackhole", "default")
    lab.run("alpha", "ip", "-6", "route", "add", "blackhole", "default")
    lab.run("beta", "ip", "route", "add", "unreachable", "default")
    try:
        gap.all(**gap.address, **QUICK)
        assert found(gap, "verdict").value == "ENFORCED", found(gap, "why").value
    finally:
        for command in (("alpha", "ip", "route"), ("alpha", "ip", "-6", "route"), ("beta", "ip", "route")):
            lab.run(*command, "del", "default")


def test_silence_without_a_tool_proves_nothing(gap, lab, tmp_path):
    """A host that can't ping has not shown that a ping gets nowhere."""
    lab.run("air", "sysctl", "-qw", "net.ipv4.ping_group_range=1 0")
    (tmp_path / "bin").mkdir()
    no_ping = {"environment": {"PATH": str(tmp_path / "bin")}}
    gap.all(**gap.address, **QUICK, per_role={"third": no_ping})
    assert found(gap, "verdict").value == "INCONCLUSIVE"
    assert "third: icmp 8.8.8.8 could not be asked: neither a datagram ICMP socket nor ping" in found(gap, "why").value
    assert found(gap, "answered").value == 0
    assert (found(gap, "ways").value, found(gap, "ways").reason[:12]) == (None, "INCONCLUSIVE")


def test_silence_behind_a_failed_control_proves_nothing(gap, lab):
    """A firewall of the host's own that swallows DNS swallows it inside as well: outside it shows nothing."""
    lab.run(
        "beta",
        "nft",
        "add table inet mute; add chain inet mute o { type filter hook output priority 0; };"
        " add rule inet mute o udp dport != 1 drop",
    )
    try:
        gap.all(**gap.address, **QUICK)
    finally:
        lab.run("beta", "nft", "delete table inet mute")
    assert found(gap, "verdict").value == "INCONCLUSIVE"
    assert "second: control failed: dns-udp" in found(gap, "why").value
    assert "first: control failed: ntp" in found(gap, "why").value
    assert found(gap, "ways").value is None


def test_a_refusal_in_an_outside_address_name_proves_nothing(gap, lab):
    lab.run(
        "alpha",
        "nft",
        "add table inet no; add chain inet no o { type filter hook output priority 0; };"
        " add rule inet no o ip daddr 8.8.8.8 tcp dport 443 reject with tcp reset",
    )
    lab.run("alpha", "ip", "route", "add", "8.8.8.8/32", "dev", "lo")
    try:
        gap.all(**gap.address, **QUICK)
    finally:
        lab.run("alpha", "nft", "delete table inet no")
        lab.run("alpha", "ip", "route", "del", "8.8.8.8/32")
    assert found(gap, "verdict").value == "INCONCLUSIVE"
    assert "first: tcp 8.8.8.8 port 443 was refused: something answers in its name" in found(gap, "why").value


def test_a_proxy_and_a_pinned_name_are_doubts(gap, lab):
    pinned = Path("/etc/netns") / lab.host["air"].namespace / "hosts"
    before = pinned.read_text()
    pinned.write_text(f"{before}192.0.2.7 www.google.com\n")
    try:
        gap.all(**gap.address, **QUICK, per_role={"second": {"environment": {"HTTPS_PROXY": "http://10.0.0.1:3128"}}})
    finally:
        pinned.write_text(before)
    assert found(gap, "verdict").value == "INCONCLUSIVE"
    assert "second: a proxy is set: HTTPS_PROXY" in found(gap, "why").value
    assert "third: www.google.com is pinned to 192.0.2.7" in found(gap, "why").value
    assert "3128" not in found(gap, "why").value


def test_a_name_that_leads_back_is_no_control(gap):
    """With the names in the wrong order the resolver's control would ask a host for itself."""
    gap.all(**gap.address, **{**QUICK, "names": ["beta", "alpha", "air"]})
    assert found(gap, "verdict").value == "INCONCLUSIVE"
    assert "which is this host's own" in found(gap, "why").value


def test_a_host_that_never_comes_leaves_it_open(gap):
    ends = gap.all(**gap.address, **QUICK, roles=("first", "second"), per_role={"first": {"patience": 2.0}})
    assert [end.outcome for end in ends.values()] == ["done", "done"]
    assert found(gap, "verdict").value == "INCONCLUSIVE"
    assert "the third host did not report" in found(gap, "why").value


def test_hosts_that_are_one_machine_ask_nothing_outward(new_run):
    """And say so: without another host there is no control, so that silence would prove nothing."""
    run = new_run("network.airgap", ROLES)
    ends = run.all(**QUICK)
    assert {end.outcome for end in ends.values()} == {"done"}
    assert found(run, "verdict").value in ("INCONCLUSIVE", "BROKEN")
    for name in ("answered", "inward", "controls"):
        assert found(run, name).value is None
        assert found(run, name).reason.startswith("all hosts are this one")
    assert "outward icmp" not in run.log("first")


def test_a_host_with_the_wrong_token_is_sent_away(gap):
    gap.all(**gap.address, **QUICK, per_role={"first": {"patience": 2.0}, "third": {"token": "guess"}})
    assert found(gap, "verdict").value == "INCONCLUSIVE"
    assert "token" in gap.said("third", events.Finished)[0].reason
    assert "sent " in gap.log("first")
