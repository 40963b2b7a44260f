"""The truth table of the air gap, and what probes make of the answers they get."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.network import messages
from operations.network.echo import ping_summary
from operations.network.judging import Found, judge
from operations.network.probes import Answer, Probe

OUT, IN = Probe("tcp", "8.8.8.8", 443), Probe("tcp", "10.77.0.12", 4000)


def answer(probe, outcome, **more):
    return Answer(probe, outcome, "socket", "said", 0.0, 0.0, **more)


SILENT, ANSWERED = answer(OUT, "silent"), answer(OUT, "answered")
PASSED, FAILED = answer(IN, "answered"), answer(IN, "silent")
GOOD = Found((SILENT,), (PASSED,))


@pytest.mark.parametrize(
    ("found", "verdict", "why"),
    [
        (GOOD, "ENFORCED", ""),
        (Found((ANSWERED,), (PASSED,)), "BROKEN", "A: tcp 8.8.8.8 port 443 answered"),
        (Found((ANSWERED,), (FAILED,), doubts=("a proxy is set",)), "BROKEN", "A: tcp 8.8.8.8 port 443 answered"),
        (Found((SILENT,), (PASSED,), routes=("IPv4 default route by x",)), "BROKEN", "A: IPv4 default route by x"),
        (Found((SILENT,), (FAILED,)), "INCONCLUSIVE", "A: control failed: tcp 10.77.0.12 port 4000: said"),
        (Found((SILENT,), ()), "INCONCLUSIVE", "A: no control of tcp was answered by another host"),
        (Found((answer(Probe("ntp", "8.8.8.8"), "silent"),), (PASSED,)), "INCONCLUSIVE", "A: no control of ntp was"),
        (Found((answer(OUT, "no tool"),), (PASSED,)), "INCONCLUSIVE", "could not be asked: said"),
        (Found((answer(OUT, "refused"),), (PASSED,)), "INCONCLUSIVE", "something answers in its name"),
        (Found((SILENT,), (PASSED,), doubts=("Wi-Fi is up: en1",)), "INCONCLUSIVE", "A: Wi-Fi is up: en1"),
        (Found((), (PASSED,)), "INCONCLUSIVE", "A: it asked nothing outward"),
        (Found(skipped="all one"), "INCONCLUSIVE", "A: all one"),
        (Found((answer(OUT, "silent", no_way=True),), ()), "ENFORCED", ""),
        (Found((answer(Probe("tcp", "2001::1"), "silent"),), (PASSED,)), "INCONCLUSIVE", "no control of tcp over IPv6"),
    ],
)
def test_truth_table(found, verdict, why):
    judgement = judge({"A": found})
    assert judgement.verdict == verdict
    assert why in judgement.why
    assert bool(judgement.why) == (verdict != "ENFORCED")
    assert judge({"A": found, "B": GOOD}).verdict == verdict


def test_hosts_that_are_missing_or_none_at_all_prove_nothing():
    assert judge({"A": GOOD}, ["third"]).verdict == "INCONCLUSIVE"
    assert judge({}).verdict == "INCONCLUSIVE"
    assert judge({"A": Found((ANSWERED,), ())}, ["third"]).verdict == "BROKEN"


outcomes = st.sampled_from(["answered", "silent", "refused", "no tool"])


@given(st.lists(outcomes, max_size=5), st.lists(outcomes, max_size=5), st.booleans(), st.booleans())
def test_enforced_only_if_all_outside_is_silent_and_all_inside_answers(outward, inward, route, doubt):
    found = Found(
        tuple(answer(OUT, o) for o in outward),
        tuple(answer(IN, o) for o in inward),
        ("a route",) if route else (),
        ("a doubt",) if doubt else (),
    )
    verdict = judge({"A": found}).verdict
    assert (verdict == "BROKEN") == (route or "answered" in outward)
    if verdict == "ENFORCED":
        assert outward
        assert inward
        assert set(outward) == {"silent"}
        assert set(inward) == {"answered"}
        assert not doubt


LINUX_PING = """\
PING 8.8.8.8 (8.8.8.8) 56(84) bytes of data.

--- 8.8.8.8 ping statistics ---
5 packets transmitted, 0 received, 100% packet loss, time 4094ms
"""
MAC_PING = """\
PING 10.77.0.12 (10.77.0.12): 56 data bytes
64 bytes from 10.77.0.12: icmp_seq=0 ttl=64 time=0.402 ms

--- 10.77.0.12 ping statistics ---
5 packets transmitted, 5 packets received, 0.0% packet loss
round-trip min/avg/max/stddev = 0.330/0.372/0.402/0.030 ms
"""


def test_what_ping_counted():
    assert ping_summary(LINUX_PING, "").received == 0
    assert not ping_summary(LINUX_PING, "").fault
    assert ping_summary(MAC_PING, "").received == 5
    assert ping_summary("", "ping: connect: Network is unreachable\n").fault == ""


@pytest.mark.parametrize("cut", [0, 20, 80, 100])
def test_an_output_that_was_cut_is_a_fault_not_a_silence(cut):
    assert "no summary" in ping_summary(LINUX_PING[:cut], "").fault


@given(st.binary(), st.integers(0, 65535))
def test_any_bytes_are_read(data, number):
    messages.dns_answer(number, data)
    messages.ntp_answer(data)
    messages.echo_reply(data, six=True)
    messages.echo_reply(data, six=False)
    messages.ntp_reply(data)
    messages.dns_refusal(data)


@given(st.integers(0, 65535))
def test_a_reply_is_told_from_another_ones(number):
    query = messages.dns_query(number, "google.com")
    assert messages.dns_answer(number, messages.dns_refusal(query)) == "a reply with 0 answers, status 5"
    assert messages.dns_answer(number ^ 1, messages.dns_refusal(query)) == ""
    assert messages.dns_answer(number, query) == ""
    assert messages.ntp_answer(messages.ntp_reply(messages.NTP_REQUEST)) == "a reply of stratum 16"
    assert messages.ntp_answer(messages.NTP_REQUEST) == ""


@pytest.mark.parametrize("header", [b"", bytes([0x45]) + bytes(19)])
def test_an_echo_reply_with_and_without_the_ip_header(header):
    reply = b"\0" + messages.echo_request(7, six=False)[1:]
    assert messages.echo_reply(header + reply, six=False) == 7
    assert messages.echo_reply(header + messages.echo_request(7, six=False), six=False) is None
