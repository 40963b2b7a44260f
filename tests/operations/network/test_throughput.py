"""iperf3 between two hosts: in namespaces observed, never a throughput; G1n passes and fails on recorded results."""

import json
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import events
from operations.contract import Refusal
from operations.network import iperf
from operations.network.throughput import OPERATION

ROLES = ("server", "client")


def recorded(*, gbit=9.87, slow=(), error="", retransmits=3, **changed):
    """The form of a ``-J`` result of iperf 3.12 (Debian), recorded on a loopback link; its figures are set here."""
    rates = [gbit * 1e9] * (120 - len(slow)) + [rate * 1e9 for rate in slow]
    intervals = [
        {
            "streams": [{"socket": 5, "bits_per_second": rate, "omitted": False, "sender": True}],
            "sum": {
                "start": 0.5 * n,
                "end": 0.5 * n + 0.5,
                "seconds": 0.5,
                "bytes": int(rate / 16),
                "bits_per_second": rate,
                "retransmits": 0,
                "omitted": False,
                "sender": True,
            },
        }
        for n, rate in enumerate(rates)
    ]
    total = {"start": 0, "end": 60.0007, "seconds": 60.0007, "bytes": 1, "bits_per_second": gbit * 1e9, "sender": True}
    said = {
        "start": {"version": "iperf 3.12", "test_start": {"protocol": "TCP", "num_streams": 1, "duration": 60}},
        "intervals": intervals,
        "end": {
            "streams": [],
            "sum_sent": {**total, "bits_per_second": gbit * 1e9 + 7e6, "retransmits": retransmits},
            "sum_received": total,
            "sender_tcp_congestion": "cubic",
        },
        **({"error": error} if error else {}),
        **changed,
    }
    return json.dumps(said, indent="\t").encode()


REFUSED = b"""{
\t"start":\t{\n\t\t"connected":\t[],\n\t\t"version":\t"iperf 3.12"\n\t},
\t"intervals":\t[],
\t"end":\t{\n\t},
\t"error":\t"unable to connect to server: Connection refused"
}
"""
LIVE = "[  5]   0.50-1.00   sec   835 MBytes  14015562 Kbits/sec    2   1023 KBytes       "
LIVE_RECEIVED = "[  5]   1.00-1.50   sec  1.02 GBytes  17587747 Kbits/sec                  "


class Reporting:
    """Keeps measures as a context would."""

    def __init__(self):
        self.found = {}

    def measure(self, name, value, *, reason=""):
        assert OPERATION.measure(name)
        assert (value is None) == bool(reason)
        self.found[name] = value

    def log(self, text, level="info"):
        self.found[level] = text


def reported(to_server, to_client, why=""):
    from operations.network.measuring import report

    context = Reporting()
    report(context, {"to_server": iperf.result(to_server), "to_client": iperf.result(to_client)}, why)
    return context.found


@pytest.mark.parametrize(("slower", "passes"), [(9.5, True), (9.49, False), (9.87, True), (0.94, False)])
def test_recorded_results_pass_or_fail_the_networks_gate(slower, passes):
    """The slower direction decides; G1n asks for at least 9.5 Gbit/s."""
    found = reported(recorded(gbit=9.9), recorded(gbit=slower))
    assert found["throughput"] == pytest.approx(slower)
    assert (found["throughput"] >= 9.5) is passes
    assert found["retransmits"] == 6


def test_what_is_no_network_is_observed_and_never_a_throughput():
    found = reported(recorded(), recorded(), "one machine")
    assert found["throughput"] is None
    assert found["observed"] == pytest.approx(9.87)
    assert "no throughput of a network: one machine" in found["warning"]


def test_sustained_is_what_nearly_all_half_seconds_had():
    assert iperf.result(recorded(slow=[1.0] * 6)).sustained == pytest.approx(9.87e9)
    assert iperf.result(recorded(slow=[1.0] * 7)).sustained == pytest.approx(1e9)


def test_a_refused_connection_is_a_refusal_although_iperf3_exits_with_0():
    with pytest.raises(Refusal, match="iperf3: unable to connect to server: Connection refused"):
        iperf.result(REFUSED)
    with pytest.raises(Refusal, match="the server has terminated"):
        iperf.result(recorded(error="the server has terminated"))


@pytest.mark.parametrize(
    "text", [b"", recorded()[:5_000], b"{}", recorded(end={}), recorded(intervals=[]), b"iperf3: x"]
)
def test_a_result_that_is_not_whole_is_a_refusal(text):
    with pytest.raises(Refusal):
        iperf.result(text)


@given(st.text())
def test_any_text_is_a_result_or_a_refusal(text):
    with pytest.raises(Refusal):
        iperf.result(text)
    iperf.live(text)
    iperf.version(text)


def test_live_lines():
    assert iperf.live(LIVE) == (1.0, pytest.approx(14.015562))
    assert iperf.live(LIVE_RECEIVED) == (1.5, pytest.approx(17.587747))
    assert iperf.live("[  5]   0.00-2.00   sec  3.56 GBytes  15252852 Kbits/sec   14             sender") is None
    assert iperf.live("[  5]   2.00-2.00   sec  1.25 MBytes  3301562 Kbits/sec    0    895 KBytes") is None
    assert iperf.live("[ ID] Interval           Transfer     Bitrate         Retr  Cwnd") is None


def test_an_mtu_of_1500_ends_below_what_the_plan_asks_for():
    assert 10 * iperf.ceiling(1500) == pytest.approx(9.41, abs=0.01)
    assert 10 * iperf.ceiling(9000) > 9.5


@pytest.fixture
def two(lab, new_run):
    run = new_run("network.throughput", ROLES, lab=lab, hosts=("beta", "alpha"))
    run.given = {"address": lab.host["beta"].address, "seconds": 2, "wanted": 9.5}
    return run


def test_a_link_held_to_1_gbit_reads_that_and_is_no_throughput(two, lab):
    lab.rate("beta", "1gbit")
    ends = two.all(**two.given)
    assert {end.outcome for end in ends.values()} == {"done"}, ends
    found = two.measures("client")
    assert 0.85 < found["observed"].value < 1.0
    assert 0.5 < found["sustained"].value < 1.3
    assert (found["throughput"].value, found["throughput"].reason) == (None, "one machine; eth0 is a virtual link")
    assert found["observed"].value == min(found["to_server"].value, found["to_client"].value)
    assert found["mtu"].value == 1500
    (made,) = two.said("client", events.Made)
    assert set(json.loads((two.roots["client"] / made.path).read_text())) == {"to_server", "to_client"}
    points = two.said("server", events.Metric)
    assert {point.name for point in points} == {"to_server", "to_client"}
    assert all(0.3 < point.value < 1.5 for point in points)
    assert "Kbits/sec" in two.log("server")
    assert re.search(r"^0\.\d+ Gbit/s to server  \[", two.log("server"), re.MULTILINE)
    told = [event.done for event in two.said("client", events.Progress)]
    assert told == [0, 1, 2, 3, 4], "a second at a time, over both directions"
    for role in ROLES:
        assert "MTU 1500: TCP can carry 9.41 of 10 Gbit/s" in two.log(role)
        assert "MTU 1500 can't reach 9.5 Gbit/s on this link: set jumbo frames" in two.log(role)


def stand_in(tmp_path, script):
    """A program by the name of iperf3 that does something else."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "iperf3").write_text(f"#!/bin/sh\n{script}\n")
    (directory / "iperf3").chmod(0o755)
    return {"environment": {"PATH": f"{directory}:{os.environ['PATH']}"}}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'iperf 3.1.3'", "is 3.1; at least 3.2 is needed"),
        ("echo 'iperf 2.1.9'", "is 2.1; at least 3.2 is needed"),
        ("echo hello", "of an unknown version"),
    ],
)
def test_an_iperf3_that_is_too_old_measures_nothing_on_one_machine(new_run, tmp_path, script, reason):
    run = new_run("network.throughput", ROLES)
    ends = run.all(seconds=1, per_role={"server": stand_in(tmp_path, script)})
    assert {end.outcome for end in ends.values()} == {"done"}, ends
    for name in ("throughput", "observed"):
        found = run.measures("client")[name]
        assert found.value is None
        assert found.reason.startswith("one machine; ")
        assert reason in found.reason


def test_no_iperf3_measures_nothing_on_one_machine(new_run, tmp_path):
    run = new_run("network.throughput", ROLES)
    (tmp_path / "bin").mkdir()
    bare = {"environment": {"PATH": str(tmp_path / "bin")}}
    ends = run.all(seconds=1, per_role={"server": bare, "client": bare})
    assert {end.outcome for end in ends.values()} == {"done"}, ends
    assert run.measures("client")["throughput"].reason.startswith("one machine; iperf3 is not on this host: install it")
    assert "nothing is measured between hosts of one machine" in run.log("server")


@pytest.mark.parametrize(("here", "there"), [("a", "b"), ("", "")], ids=["two machines", "unknown"])
def test_between_two_machines_a_missing_iperf3_is_a_refusal_on_either_side(here, there):
    from operations.network.measuring import End, _nothing

    whole, bare = (
        End(machine, 9000, 10.0, "", lacks) for machine, lacks in ((here, ""), (there, "iperf3 is not there"))
    )
    with pytest.raises(Refusal, match="the other host: iperf3 is not there"):
        _nothing(None, whole, bare)
    with pytest.raises(Refusal, match=r"^iperf3 is not there"):
        _nothing(None, bare, whole)
    assert not _nothing(None, whole, whole)


VERSION = 'case "$1" in --version) echo "iperf 3.12";;'


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (f"{VERSION} *) kill -9 $$;; esac", "iperf3 was ended by signal 9"),
        (f"{VERSION} *) echo '{{\"start\": {{';; esac", "iperf3 ended without a whole result"),
        (
            f'{VERSION} *) echo \'{{"error": "unable to connect to server: Connection refused"}}\';; esac',
            "iperf3: unable to connect to server: Connection refused",
        ),
    ],
)
def test_a_client_that_fails_is_told_at_both_ends(new_run, tmp_path, script, reason):
    run = new_run("network.throughput", ROLES)
    ends = run.all(seconds=1, per_role={"client": stand_in(tmp_path, script)})
    assert ends["client"].reason == reason
    assert ends["server"].reason == f"the client: {reason}"
    assert "throughput" not in run.measures("client")


def test_a_server_that_can_not_listen_is_told(new_run, tmp_path):
    run = new_run("network.throughput", ROLES)
    script = f"{VERSION} *) echo 'iperf3: error - unable to start listener'; exit 1;; esac"
    ends = run.all(seconds=1, per_role={"server": stand_in(tmp_path, script)})
    assert ends["server"].reason == "iperf3 did not listen: iperf3: error - unable to start listener"
    assert "connection" in ends["client"].reason


def test_too_short_a_time_is_no_throughput(new_run):
    from operations.network.measuring import _too_short
    from operations.network.throughput import Parameters

    results = {"to_server": iperf.result(recorded())}
    assert _too_short(Parameters(role="client", timed_from=60), results) == ""
    assert "at least 120 s" in _too_short(Parameters(role="client", timed_from=120), results)
