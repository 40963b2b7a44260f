"""Links of three hosts as real jobs: nothing that is no wire of its own ever passes for one."""

import pytest

from operations import events

ROLES = ("first", "second", "third")


def test_hosts_of_one_machine_have_no_link(new_run):
    run = new_run("network.links", ROLES)
    ends = run.all()
    assert {end.outcome for end in ends.values()} == {"done"}
    for role in ROLES:
        speed = run.measures(role)["speed"]
        assert speed.value is None
        assert speed.reason.startswith("it shares one machine with the ")


def test_namespaces_share_their_machine_and_their_links_are_virtual(lab, new_run):
    run = new_run("network.links", ROLES, lab=lab, hosts=("alpha", "beta", "air"))
    run.all(address=lab.host["alpha"].address)
    for role, name in zip(ROLES, ("alpha", "beta", "air"), strict=True):
        found = run.measures(role)
        assert found["speed"].value is None
        assert "it shares one machine" in found["speed"].reason
        assert (found["interface"].value, found["mtu"].value) == ("eth0", 1500)
        assert f"eth0 (virtual) {lab.host[name].address}" in run.log(role)
    assert "second host: eth0 (virtual)" in run.log("first")


def test_without_the_others_nothing_is_told(new_run):
    """Alone, a host can't know whether it is three."""
    run = new_run("network.links", ROLES)
    run.start("first", patience=0.5)
    (end,) = run.ended().values()
    assert end.outcome == "done"
    assert run.measures("first")["speed"].value is None
    assert "the third host did not come within 0.5 s" in run.log("first")


@pytest.mark.parametrize("address", ["192.0.2.77"])
def test_an_address_that_is_not_the_hosts_is_a_reason(new_run, address):
    run = new_run("network.links", ROLES)
    run.start("first", address=address)
    run.ended()
    assert run.said("first", events.Finished)[0].reason.startswith(f"can't listen on {address}: ")
