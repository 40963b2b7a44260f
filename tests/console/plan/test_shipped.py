"""The plan and the sites that ship: they load, and week 0 is complete."""

import datetime
import re
import time
import tomllib

import pytest

from console.plan.loading import examine, load, load_plan, load_site, shipped
from console.plan.types import ArtefactFrom, JobsOf, Plan, Site
from operations import registry

STEPS = {
    "W0.1.1": (1, 2, 3, 4),
    "W0.1.2": (5, 6),
    "W0.1.3": (7,),
    "W0.1.4": (8, 9),
    "W0.1.5": (10, 11, 12),
    "W0.1.6": (13, 14),
    "W0.2.1": (15, 16),
    "W0.2.2": (17, 18, 19, 20),
    "W0.2.3": (21,),
    "W0.2.4": (22, 23),
    "W0.2.5": (24,),
    "W0.3.1": (25, 26, 27),
    "W0.3.2": (28,),
    "W0.3.3": (29, 30, 31),
    "W0.3.4": (32, 33, 34),
    "W0.3.5": (35, 36, 37),
    "W0.4.1": (38, 39, 40),
    "W0.4.2": (41,),
    "W0.4.3a": (42, 43, 44),
    "W0.4.3b": (45, 46, 47, 48),
    "W0.5.1": (),
    "W0.5.2": (80, 81, 82, 83, 84, 85),
}
WEEK_0 = list(STEPS)
MEASURED = {
    "W0.1.1": {"M-001", "M-002", "M-003"},
    "W0.1.2": {"M-004"},
    "W0.1.3": {"M-008"},
    "W0.1.4": {"M-005", "M-006", "M-007"},
    "W0.2.2": {"M-010", "M-011", "M-012", "M-013"},
    "W0.2.3": {"M-010", "M-011", "M-012", "M-013"},
    "W0.3.1": {"M-014", "M-015", "M-016", "M-017"},
    "W0.3.4": {"M-018", "M-019", "M-020"},
    "W0.4.2": {"M-021"},
    "W0.4.3b": {"M-022"},
}
LATER = {
    "W1": [f"W1.{n}" for n in range(1, 10)],
    "W2-3": [f"W2.{n}" for n in range(1, 7)],
    "W4-6": [f"W{w}.{n}" for w, last in ((4, 5), (5, 8), (6, 5)) for n in range(1, last + 1)],
    "W7": [f"W7.{n}" for n in range(1, 7)],
}
SITES = ("rehearsal", "production")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(shipped("gladiator"))


@pytest.fixture(scope="module", params=SITES)
def site(request: pytest.FixtureRequest) -> Site:
    return load_site(shipped(f"sites/{request.param}.toml"))


def test_week_0_has_the_inventorys_tasks_in_order(plan: Plan) -> None:
    tasks = [id for id, task in plan.task.items() if plan.task_phase[id] == "W0" and not task.ours]
    assert tasks == WEEK_0


def test_steps_are_the_inventorys(plan: Plan) -> None:
    for id, numbers in STEPS.items():
        assert list(plan.task[id].step) == [f"O-{n:03}" for n in numbers], id


def test_measured_fields_are_the_inventorys(plan: Plan) -> None:
    found = {
        id: refs for id in WEEK_0 if (refs := {record.ref for record in plan.task[id].record.values() if record.ref})
    }
    assert found == MEASURED


def test_every_deliverable_of_week_0_is_on_one_task(plan: Plan) -> None:
    found = [d for id in WEEK_0 for d in plan.task[id].deliverable]
    assert sorted(found) == [f"D-{n:02}" for n in range(1, 27)]


def test_no_deliverable_hangs_on_a_task_that_its_alternative_replaces(plan: Plan) -> None:
    for id, task in plan.task.items():
        replaced = task.instead_of or any(other.instead_of == id for other in plan.task.values())
        assert not (replaced and task.deliverable), id


def test_contingencies(plan: Plan) -> None:
    assert list(plan.contingency) == ["C-01", "C-02", "C-03", "C-04", "C-05", "C-06", "C-07", "C-10"]


def test_preconditions_are_items_to_check(plan: Plan) -> None:
    items = [id for id, phase in plan.task_phase.items() if phase == "P" and not plan.task[id].ours]
    assert items == ["P-01", "P-02", "P-03", "P-04", "P-05"]
    for id in items:
        assert plan.task[id].operation or plan.task[id].record or plan.task[id].deliverable, id


def test_later_phases_stand_locked(plan: Plan) -> None:
    for phase, tasks in LATER.items():
        assert [id for id, own in plan.task_phase.items() if own == phase] == tasks
        assert plan.phase[phase].when
    assert plan.phase["W1"].when == "G1 is go or G1r is go"
    assert set(plan.gate) == {"G0", "G1", "G1r", "G1n", "G1a", "G1x", "G1p", "G2", "G3", "G4"}


def test_g1_is_the_plans(plan: Plan) -> None:
    g1 = plan.gate["G1"]
    accuracy = g1.criterion["accuracy"]
    assert (accuracy.task, accuracy.measure, accuracy.compare, accuracy.threshold) == ("W0.3.3", "accuracy", ">=", 0.9)
    assert (accuracy.smallest_sample, accuracy.waivable, accuracy.kind) == (100, False, "software")
    assert plan.task["W0.4.2"].gate == "G1"
    assert plan.task["W0.3.5"].gate == "G0"
    assert plan.gate["G0"].provisional
    assert plan.gate["G1r"].retests == "G1"
    assert plan.gate["G1r"].criterion == g1.criterion


def test_configuration_is_the_plans(plan: Plan) -> None:
    set_to = plan.task["W0.1.5"].parameters
    for name, value in (("learning_rate", 1e-4), ("batch", 32), ("steps", 100), ("save_every", 50)):
        assert set_to[name] == set_to[f"planned_{name}"] == value


def test_references_are_types(plan: Plan) -> None:
    assert plan.task["W0.1.1"].parameters["source"] == ArtefactFrom(task="P-01", artefact="patterns")
    assert plan.task["W0.2.2"].parameters["training"] == JobsOf(jobs_of="W0.2.1")
    assert plan.task["W0.1.6"].instead_of == "W0.2.1"


def test_nothing_is_ticked_and_no_weekday_is_printed() -> None:
    for file in shipped("gladiator").glob("*.toml"):
        assert not re.search(r"\[x\]|✅|\b(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b", file.read_text()), file


def test_the_calendar_is_the_plans(plan: Plan) -> None:
    assert plan.start == datetime.date(2025, 10, 16)
    starts = [(plan.start + datetime.timedelta(days=p.offset)).strftime("%b %d") for p in plan.phase.values() if p.days]
    assert starts == ["Oct 16", "Oct 23", "Oct 30", "Nov 13", "Dec 04"]
    last = plan.phase["W7"]
    assert plan.start + datetime.timedelta(days=last.offset + last.days - 1) == datetime.date(2025, 12, 10)


@pytest.mark.parametrize("name", SITES)
def test_sites_fit_the_plan(name: str) -> None:
    _, site = load(shipped("gladiator"), shipped(f"sites/{name}.toml"))
    assert list(site.host) == ["ALPHA", "BETA", "AIR"]
    assert site.rehearsal is (name == "rehearsal")


def test_a_rehearsal_is_one_machine_and_production_is_three() -> None:
    rehearsal, production = (load_site(shipped(f"sites/{name}.toml")) for name in SITES)
    assert {(h.link, h.machine) for h in rehearsal.host.values()} == {("local", "this machine")}
    assert len({h.machine for h in production.host.values()}) == 3
    assert production.sign_key
    assert {h.container for h in production.host.values()} == {"blue_combat", "red_combat", ""}


def test_mlx_never_runs_in_a_container(site: Site) -> None:
    for host in site.host.values():
        for pattern in host.contained:
            inside = [n for n in registry.NAMES if n == pattern or n.startswith(pattern.removesuffix("*"))]
            assert inside
            assert not [n for n in inside if registry.find(n).uses == "accelerator"]


def test_digests_pin_the_files(plan: Plan, site: Site) -> None:
    assert re.fullmatch("[0-9a-f]{64}", plan.digest)
    assert re.fullmatch("[0-9a-f]{64}", site.digest)


def test_what_is_left_for_later_is_noted() -> None:
    _, faults = examine(shipped("gladiator"))
    assert faults
    assert all(fault.note and "nothing can" in fault.what for fault in faults)


def test_shipped_names_what_is_missing() -> None:
    with pytest.raises(FileNotFoundError, match="checklists/nowhere"):
        shipped("nowhere")


def test_loading_is_fast_enough_for_the_first_frame() -> None:
    """At most four times what reading the TOML alone costs, in processor time: 14 ms against 8."""
    plan, site = shipped("gladiator"), shipped("sites/rehearsal.toml")
    texts = [file.read_text() for file in (*plan.glob("*.toml"), site)]
    whole, bare = [], []
    for _ in range(8):
        began = time.process_time()
        load(plan, site)
        loaded = time.process_time()
        for text in texts:
            tomllib.loads(text)
        whole.append(loaded - began)
        bare.append(time.process_time() - loaded)
    assert min(whole) < 4 * min(bare), (whole, bare)
