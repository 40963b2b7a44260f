"""Limits of the plan against readings, second by second: what the journal is told, and what it is not."""

import msgspec
import pytest

from console.conductor import alerts
from console.conductor.alerts import Watch, keyed
from console.journal.entries import AlertCleared, AlertRaised
from console.plan.sites import Host
from console.plan.types import Limit

HOT = Limit(label="Temperature", reading="temperature_c", compare="<", threshold=85, seconds=10)
BUSY = Limit(
    label="GPU in use", reading="gpu_percent", compare=">", threshold=80, host=["A"], running=["model.*"],
    seconds=10, level="warning",
)  # fmt: skip


class Watching:
    """A console that sees a reading a second and tells the story's journal."""

    def __init__(self, story, **limits):
        story.plan = msgspec.structs.replace(story.plan, limit=limits)
        self.story = story
        self.watch = Watch()
        self.told = []
        self.t = 1000.0

    def see(self, seconds=1, host="A", **values):
        for _ in range(seconds):
            self.t += 1
            self.look({host: (self.t, values)})
        return self

    def look(self, readings):
        scene = self.story.scene
        for entry in list(self.watch.look(scene, readings)):
            for _, row in keyed(scene.state, entry):
                self.story.say(row)
                self.told.append(row)

    @property
    def kinds(self):
        return ["raised" if isinstance(entry, AlertRaised) else "cleared" for entry in self.told]


def test_an_alert_begins_after_its_seconds_and_is_told_once(tell):
    seen = Watching(tell(), hot=HOT)
    seen.see(10, temperature_c=90.0)
    assert seen.told == []
    seen.see(600, temperature_c=91.0)
    assert seen.told == [
        AlertRaised(host="A", limit="hot", number=1, reading="temperature_c", value=91.0, compare="<", threshold=85,
                    level="alert")
    ]  # fmt: skip


def test_an_alert_ends_when_the_reading_holds_again_by_a_margin_for_as_long(tell):
    seen = Watching(tell(), hot=HOT)
    seen.see(11, temperature_c=90.0)
    seen.see(600, temperature_c=84.9)
    assert seen.kinds == ["raised"], "just below the threshold it would be an alert again at any moment"
    seen.see(10, temperature_c=80.0)
    assert seen.kinds == ["raised"]
    seen.see(600, temperature_c=80.0)
    assert seen.told[1:] == [
        AlertCleared(host="A", limit="hot", number=1, reading="temperature_c", value=80.0, threshold=85)
    ]
    seen.see(11, temperature_c=85.0)
    assert seen.kinds == ["raised", "cleared", "raised"], "strictly as written: 85 is not below 85"
    assert seen.told[2].number == 2


def test_what_comes_and_goes_is_no_alert(tell):
    seen = Watching(tell(), hot=HOT)
    for _ in range(60):
        seen.see(9, temperature_c=95.0).see(1, temperature_c=70.0)
    assert seen.told == []


def test_what_can_not_be_had_raises_nothing_and_clears_nothing(tell):
    seen = Watching(tell(), hot=HOT)
    seen.see(600)
    assert seen.told == []
    seen.see(9, temperature_c=95.0).see(5).see(9, temperature_c=95.0)
    assert seen.told == [], "nobody knows how hot it was between"
    seen.see(2, temperature_c=95.0).see(600)
    assert seen.kinds == ["raised"]
    seen.look({})
    assert seen.kinds == ["raised"]


def test_a_host_that_was_silent_begins_anew(tell):
    seen = Watching(tell(), hot=HOT)
    seen.see(2, temperature_c=95.0)
    seen.t += 3_600
    seen.see(9, temperature_c=95.0)
    assert seen.told == []
    seen.see(2, temperature_c=95.0)
    assert seen.kinds == ["raised"]


def test_a_clock_that_is_set_back_begins_anew(tell):
    seen = Watching(tell(), hot=HOT)
    seen.see(5, temperature_c=95.0)
    seen.t -= 3_600
    seen.see(11, temperature_c=95.0)
    assert seen.kinds == ["raised"]


def test_a_limit_of_trainings_is_watched_while_one_runs(tell):
    story = tell()
    seen = Watching(story, busy=BUSY)
    seen.see(600, gpu_percent=0.0)
    assert seen.told == []
    job = story.start("train")
    seen.see(11, gpu_percent=5.0)
    assert [(entry.limit, entry.level) for entry in seen.told] == [("busy", "warning")]
    story.end(job)
    seen.see(1, gpu_percent=0.0)
    assert seen.told[1:] == [
        AlertCleared(
            host="A", limit="busy", number=1, reading="gpu_percent", threshold=80, reason="no model.* runs there"
        )
    ]
    seen.see(600, gpu_percent=0.0)
    assert len(seen.told) == 2


def test_a_plan_without_the_limit_ends_its_alert(tell):
    seen = Watching(tell(), hot=HOT)
    seen.see(11, temperature_c=95.0)
    seen.story.plan = msgspec.structs.replace(seen.story.plan, limit={})
    seen.see(1, temperature_c=95.0)
    assert seen.told[1].reason == "the plan in force has no such limit there"


@pytest.mark.parametrize(("machine", "raised"), [(("m", "m"), ["A"]), (("m", "n"), ["A", "B"])])
def test_hosts_that_share_a_machine_raise_once(tell, machine, raised):
    story = tell()
    hosts = {id: Host(root=id, machine=name) for id, name in zip("AB", machine, strict=True)}
    story.site = msgspec.structs.replace(story.site, host=hosts)
    seen = Watching(story, hot=HOT)
    for _ in range(12):
        seen.t += 1
        seen.look({"A": (seen.t, {"temperature_c": 95.0}), "B": (seen.t, {"temperature_c": 95.0})})
    assert [entry.host for entry in seen.told] == raised


def test_a_limit_that_names_a_host_is_not_another_hosts(tell):
    story = tell()
    seen = Watching(story, disk=Limit(label="Disk free", reading="disk_free", compare=">", threshold=1e12, host=["B"]))
    story.site = msgspec.structs.replace(
        story.site, host={"A": Host(root="a", machine="m"), "B": Host(root="b", machine="n")}
    )
    seen.see(60, host="A", disk_free=1e9)
    assert seen.told == []
    seen.see(60, host="B", disk_free=1e9)
    assert [entry.host for entry in seen.told] == ["B"]


def test_a_rehearsal_is_not_alarmed_by_what_its_machine_can_not_have(tell):
    limit = Limit(label="Disk free", reading="disk_free", compare=">", threshold=1e12)
    aside = Watching(tell(rehearsal=True, not_here={"limit.disk": "no terabyte here"}), disk=limit)
    aside.see(60, disk_free=1e9)
    assert aside.told == []
    assert aside.story.view.limits["disk", "A"] == "no terabyte here"
    elsewhere = Watching(tell(rehearsal=False, not_here={"limit.disk": "no terabyte here"}), disk=limit)
    elsewhere.see(60, disk_free=1e9)
    assert elsewhere.kinds == ["raised"]


def test_an_open_alert_needs_a_person(tell):
    seen = Watching(
        tell(), hot=HOT, load=Limit(label="Load", reading="load1", compare="<", threshold=4, level="warning")
    )
    assert not any(id == "A" for id, _ in seen.story.view.attention)
    seen.see(11, load1=9.0).see(11, temperature_c=92.0)
    assert seen.story.view.attention[0] == ("A", "alert: Temperature 92 °C, limit < 85 °C, and 1 more")
    assert [alert.label for alert in seen.story.view.alerts] == ["Temperature", "Load"]
    seen.see(11, temperature_c=60.0, load1=0.5)
    assert not seen.story.view.alerts


def test_two_consoles_write_an_alert_once(tell):
    story = tell()
    first, second = Watching(story, hot=HOT), Watching(story, hot=HOT)
    scene = story.scene
    for t in range(12):
        one = list(first.watch.look(scene, {"A": (float(t), {"temperature_c": 95.0})}))
        other = list(second.watch.look(scene, {"A": (float(t), {"temperature_c": 95.0})}))
    assert one == other != []
    [(key, row)] = keyed(story.state, one[0])
    assert keyed(story.state, other[0]) == [(key, row)], "the same key, which the journal takes once"
    story.say(row)
    assert keyed(story.state, other[0]) == []
    clear = AlertCleared(host="A", limit="hot", number=1, reading="temperature_c", threshold=85)
    assert keyed(story.state, clear)
    story.say(clear)
    assert keyed(story.state, clear) == []
    assert keyed(story.state, one[0]) == [], "late by a whole alert"


@pytest.mark.parametrize(
    ("compare", "value", "ok"),
    [("<", 84.9, True), ("<", 85, False), ("<=", 85, True), (">", 85, False), (">=", 85, True)],
)
def test_thresholds_are_strictly_as_written(compare, value, ok):
    assert alerts.holds(msgspec.structs.replace(HOT, compare=compare), value) is ok
