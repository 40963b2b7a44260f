"""The shipped plan against the inventory's ids, written out here by hand: none missing, none invented, ours marked."""

import datetime
import re

import pytest

from console.plan.loading import load_plan, shipped
from console.plan.types import Plan, Task

PRECONDITIONS = ["P-01", "P-02", "P-03", "P-04", "P-05"]
RESOURCES = ["P-06", "P-07", "P-08", "P-09", "P-10"]
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
    "W1.1": (100, 101, 102, 103, 104),
    "W1.2": (105, 106, 107, 108, 109),
    "W1.3": (110, 111, 112, 113, 114),
    "W1.4": (115, 116, 117, 118, 119, 120, 121),
    "W1.5": (122, 123, 124),
    "W1.6": (125, 126),
    "W1.7": (127,),
    "W1.8": (128, 129, 130, 131, 132),
    "W1.9": (),
    "W2.1": (200, 201, 202, 203),
    "W2.2": (204, 205, 206, 207, 208),
    "W2.3": (209, 210, 211, 212),
    "W2.4": (213, 214, 215),
    "W2.5": (216, 217, 218, 219),
    "W2.6": (220, 221, 222, 223),
}
"""Tasks that the plan writes out, and the numbers of their steps O-nnn."""
HEADINGS = [
    *("W4.1", "W4.2", "W4.3", "W4.4", "W4.5"),
    *("W5.1", "W5.2", "W5.3", "W5.4", "W5.5", "W5.6", "W5.7", "W5.8"),
    *("W6.1", "W6.2", "W6.3", "W6.4", "W6.5"),
    *("W7.1", "W7.2", "W7.3", "W7.4", "W7.5", "W7.6"),
]
"""Tasks of which the plan has the heading only."""
PARTS = {
    "W1.2b": "W1.2",
    "W1.2g": "W1.2",
    "W1.3g": "W1.3",
    "W1.4v": "W1.4",
    "W1.5g": "W1.5",
    "W1.5x": "W1.5",
    "W1.8g": "W1.8",
    "W2.3b": "W2.3",
    "W2.5g": "W2.5",
    "W6.5x": "W6.5",
}
"""Tasks of ours that hold a part of one of the inventory's: a second measurement, another rhythm, the gate."""
OURS = {"P-01s", "W0.4.4", "W2.7a", "W2.7b", "W2.7g", "W6.6a", "W6.6b", "W6.6g", "W7.7", *PARTS, *HEADINGS}
MEASURED = {
    "W0.1.1": (1, 2, 3),
    "W0.1.2": (4,),
    "W0.1.3": (8,),
    "W0.1.4": (5, 6, 7),
    "W0.2.2": (10, 11, 12, 13),
    "W0.3.1": (14, 15, 16, 17),
    "W0.3.4": (18, 19, 20),
    "W0.4.2": (21,),
    "W0.4.3b": (22,),
    "W1.1": (30,),
    "W1.2": (31, 32),
    "W1.3": (33, 34),
    "W1.4": (35,),
    "W1.5": (36, 37, 38, 39, 40),
    "W1.8": (41, 42),
    "W2.2": (50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60),
    "W2.3": (67,),
    "W2.4": (61, 62, 63, 64, 65),
    "W2.5": (66,),
    "W7.1": (80,),
    "W7.2": (81,),
    "W7.3": (82,),
}
"""Where each field M-nnn of the inventory stands; M-070 is the models' and apart."""
AGAIN = {"W0.2.3": {"M-010", "M-011", "M-012", "M-013"}}
"""Fields that a task asks for once more."""
STUDENTS = ["W4.3", "W4.4", "W4.5", "W5.2", "W5.3", "W5.4", "W5.6", "W5.7", "W5.8", "W6.2", "W6.3", "W6.4"]
DELIVERABLES = {
    "W0": (1, 26),
    "W1": (27, 47),
    "W2-3": (48, 54),
    "W4-6": (55, 59),
    "W7": (60, 65),
}
GATES = ["G0", "G1", "G1r", "G1n", "G1a", "G1x", "G1p", "G2", "G3", "G4"]
OUR_GATES = ["G2r", "G3r"]
"""Retests that the plan does not have: without them C-11 and C-12 lead nowhere."""
CONTINGENCIES = [f"C-{n:02}" for n in range(1, 14)]
RULES = {
    "G0": {("W0.3.3", ">=", 0.9)},
    "G1n": {("W1.2", ">=", 9.5), ("W1.2b", "<", 15)},
    "G1a": {("W1.3", "==", 0), ("W1.3", "==", 4)},
    "G1x": {("W1.5", "==", True)},
    "G1p": {("W1.8", "==", True), ("W1.8", ">", 1_000)},
    "G2": {("W2.5", ">", 0.98), ("W2.4", ">", 0.95), ("W2.4", "<", 0.05), ("W2.4", "==", True)},
    "G3": {
        *((task, "==", 4) for task in ("W4.3", "W5.2", "W5.6", "W6.2")),
        *((task, ">", 0.94) for task in ("W4.4", "W5.3", "W5.7", "W6.3")),
        *((task, ">=", 96) for task in ("W4.4", "W5.3", "W5.7", "W6.3")),
        *((task, "<", 10) for task in ("W4.5", "W5.4", "W5.8", "W6.4")),
    },
    "G4": {("W7.2", "==", True), ("W7.3", "==", True)},
}
"""The rules that are the plan's, and the pre-flight's disk, whose threshold it gives elsewhere."""
FACILITY = {
    "G1n": {"throughput", "seconds"},
    "G1a": {"outward", "inward"},
    "G1p": {"disk", "gpu"},
}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(shipped("gladiator"))


def whole(plan: Plan, id: str) -> list[Task]:
    """The inventory's task: ours that hold parts of it included."""
    return [plan.task[id], *(plan.task[part] for part, of in PARTS.items() if of == id)]


def number(id: str) -> int:
    return int(id[2:])


def test_no_task_is_missing_and_none_invented(plan: Plan) -> None:
    named = {*PRECONDITIONS, *STEPS, *HEADINGS}
    assert named - plan.task.keys() == set()
    assert {id for id, task in plan.task.items() if id not in named and not task.ours} == set()
    assert {id for id, task in plan.task.items() if task.ours} == OURS
    assert len(STEPS) + len(HEADINGS) == 22 + 9 + 6 + 24


def test_tasks_stand_in_the_inventorys_order(plan: Plan) -> None:
    for prefix, ids in (("P", PRECONDITIONS), ("W0", list(STEPS)), ("W", [*STEPS, *HEADINGS])):
        wanted = [id for id in ids if id.startswith(prefix)]
        assert [id for id in plan.task if id in wanted] == wanted


def test_ours_hold_the_parts_that_they_are_named_after(plan: Plan) -> None:
    for part, of in PARTS.items():
        assert plan.task_phase[part] == plan.task_phase[of]
        assert part.startswith(of)


def test_every_step_is_the_inventorys_or_of_a_task_of_ours(plan: Plan) -> None:
    for id, numbers in STEPS.items():
        assert sorted(step for task in whole(plan, id) for step in task.step) == [f"O-{n:03}" for n in numbers], id
    others = {s for t, task in plan.task.items() if t not in STEPS and t not in PARTS for s in task.step}
    assert not [step for step in others if not step.startswith(tuple(HEADINGS))]
    assert sorted(number(s) for task in plan.task.values() for s in task.step if s.startswith("O-")) == [
        *range(1, 49),
        *range(80, 86),
        *range(100, 133),
        *range(200, 224),
    ]


def test_every_measured_field_is_asked_for_where_the_inventory_says(plan: Plan) -> None:
    found: dict[str, set[str]] = {}
    for id, task in plan.task.items():
        refs = {record.ref for record in task.record.values() if record.ref} - AGAIN.get(id, set())
        if refs:
            found.setdefault(PARTS.get(id, id), set()).update(refs)
    assert all(found.pop(id) == {"M-070"} for id in STUDENTS)
    assert found == {id: {f"M-{n:03}" for n in numbers} for id, numbers in MEASURED.items()}


def test_each_deliverable_is_there_once_in_its_phase(plan: Plan) -> None:
    for phase, (first, last) in DELIVERABLES.items():
        found = [
            d
            for id, task in plan.task.items()
            if plan.task_phase[id] == phase
            for d in task.deliverable
            if not d.startswith("W7.7")
        ]
        assert sorted(found) == [f"D-{n:02}" for n in range(first, last + 1)], phase


def test_gates_and_their_rules(plan: Plan) -> None:
    assert sorted(plan.gate) == sorted(GATES + OUR_GATES)
    for id, rules in RULES.items():
        of_the_plan = {
            (c.task, c.compare, c.threshold)
            for name, c in plan.gate[id].criterion.items()
            if not c.ours or (id, name) == ("G1p", "disk")
        }
        assert of_the_plan == rules, id


def test_what_is_the_places_and_what_is_ours_to_make(plan: Plan) -> None:
    found = {
        id: names
        for id, gate in plan.gate.items()
        if (names := {name for name, c in gate.criterion.items() if c.kind == "facility"})
    }
    assert found == FACILITY


def test_what_no_one_may_waive(plan: Plan) -> None:
    firm = {f"{id}.{name}" for id, gate in plan.gate.items() for name, c in gate.criterion.items() if not c.waivable}
    assert firm == {"G1.accuracy", "G1r.accuracy", "G2.accuracy", "G2r.accuracy", "G4.self_attack", "G4.package"}


def test_the_two_ways_of_c_12_make_larger_students_or_train_them_longer(plan: Plan) -> None:
    options, students = plan.gate["G3r"].option, ("W4.2", "W5.1", "W5.5", "W6.1")
    assert options["larger"].parameters == {task: {"times_layers": 2, "limit": 0.5} for task in students}
    assert options["extend"].parameters == {task: {"times_steps": 3} for task in students}
    assert plan.contingency["C-12"].task == ["W6.6a", "W6.6b"]


def test_contingencies_risks_milestones_resources(plan: Plan) -> None:
    assert sorted(plan.contingency) == CONTINGENCIES
    assert {id: risk.contingency for id, risk in plan.risk.items()} == {
        "R-1": "C-10",
        "R-2": "C-11",
        "R-3": "C-12",
        "R-4": "C-13",
    }
    assert list(plan.resource) == RESOURCES
    days = {id: plan.start.toordinal() + m.offset for id, m in plan.milestone.items()}
    ends = ("10-22", "10-29", "11-12", "12-03", "12-10", "12-10", "12-03", "12-17")
    assert days == {f"T-{n}": datetime.date.fromisoformat(f"2025-{end}").toordinal() for n, end in enumerate(ends)}


def test_a_phases_milestone_is_its_last_day(plan: Plan) -> None:
    ends = {m.phase: m.offset for m in plan.milestone.values() if m.phase}
    assert ends == {id: phase.offset + phase.days - 1 for id, phase in plan.phase.items() if phase.days}


def test_each_phase_waits_for_the_one_before(plan: Plan) -> None:
    chain = {phase.blocked_ref: (id, phase.when) for id, phase in plan.phase.items() if phase.blocked_ref}
    assert chain == {
        "B-1": ("W1", "G1 is go or G1r is go"),
        "B-2": ("W2-3", "G1n is go and G1a is go and G1x is go and G1p is go"),
        "B-3": ("W4-6", "G2 is go or G2r is go"),
        "B-4": ("W7", "G3 is go or G3r is go"),
    }


def test_objectives_and_success_criteria(plan: Plan) -> None:
    assert {id: len(phase.objective) for id, phase in plan.phase.items() if id in ("W1", "W2-3", "W4-6", "W7")} == {
        "W1": 4,
        "W2-3": 4,
        "W4-6": 4,
        "W7": 5,
    }
    assert {id: len(phase.success) for id, phase in plan.phase.items() if phase.success} == {
        "W0": 4,
        "W1": 4,
        "W2-3": 4,
    }


def test_what_repeats_is_optional_or_applies_only_after_a_decision(plan: Plan) -> None:
    later = {id: task for id, task in plan.task.items() if plan.task_phase[id] not in ("P", "W0")}
    assert {id: (t.repeats, t.weekday) for id, t in later.items() if t.repeats} == {
        "W2.2": ("daily", ""),
        "W2.3": ("daily", ""),
        "W2.3b": ("weekly", "sunday"),
    }
    assert {id: t.when for id, t in later.items() if t.when} == {
        "W1.6": "G1x is go",
        "W2.6": "G2 is go or G2r is go",
        "W2.7a": "G2 is no-go",
        "W2.7b": "G2 is no-go",
        "W2.7g": "G2 is no-go",
        "W6.6a": "G3 is no-go",
        "W6.6b": "G3 is no-go",
        "W6.6g": "G3 is no-go",
        "W7.7": "G4 is no-go",
    }
    assert {id: t.instead_of for id, t in later.items() if t.instead_of} == {"W2.7b": "W2.7a", "W6.6b": "W6.6a"}
    assert all(later[id].optional for id in ("W2.7b", "W6.6b"))


def test_each_file_says_what_is_ours(plan: Plan) -> None:
    for phase in ("W1", "W2-3", "W4-6", "W7"):
        text = (shipped("gladiator") / plan.phase[phase].file).read_text()
        head = re.match(r"(#[^\n]*\n)+", text)
        assert head
        assert "Ours" in head[0]
