"""The plan of 2,000 tasks loads, and is linted, at the cost a task of the shipped one."""

import time
from pathlib import Path

import pytest
from large_plan import NOTES, PHASES, TASKS, name, write

from console.plan import compiled
from console.plan.loading import examine, load_plan, shipped


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("large"))


def test_it_loads_whole(large: Path) -> None:
    plan = load_plan(large)
    assert len(plan.task) == TASKS
    assert list(plan.task) == [name(n) for n in range(TASKS)]
    assert len(plan.task[name(20)].about) == 9_999
    assert plan.task[name(21)].about == NOTES[2]


def test_one_fault_at_its_end_is_found(large: Path) -> None:
    last = large / f"p{PHASES - 1}.toml"
    sound = last.read_text()
    try:
        last.write_text(sound.replace(f'needs = ["{name(TASKS - 2)}"]', f'needs = ["{name(TASKS)}"]'))
        _, faults = examine(large)
    finally:
        last.write_text(sound)
    assert [fault.what for fault in faults] == [
        f'no task "{name(TASKS)}"',
        f"{name(TASKS - 1)} does not wait for {name(TASKS - 2)}; name it in needs",
    ]


def test_a_circle_through_all_of_it_is_found(large: Path) -> None:
    first = large / "p0.toml"
    sound = first.read_text()
    try:
        first.write_text(sound.replace('title = "Task 0"', f'title = "Task 0"\nneeds = ["{name(TASKS - 1)}"]'))
        _, faults = examine(large)
    finally:
        first.write_text(sound)
    assert len(faults) == 1
    assert "waits for itself" in faults[0].what


def test_a_task_costs_no_more_than_in_the_shipped_plan(large: Path) -> None:
    """At most 1.3 times the processor time a task, pairs interleaved: 220 µs against 270."""
    home = shipped("gladiator")
    few = len(load_plan(home).task)
    many_took, few_took = [], []
    for _ in range(5):
        began = time.process_time()
        load_plan(large)
        between = time.process_time()
        load_plan(home)
        few_took.append(time.process_time() - between)
        many_took.append(between - began)
    assert min(many_took) / TASKS <= 1.3 * min(few_took) / few, (many_took, few_took)


def test_compiled_it_is_the_same_plan(large: Path) -> None:
    for home in (large, shipped("gladiator")):
        plan = load_plan(home)
        assert compiled.decode(compiled.encode(plan)) == plan


@pytest.mark.parametrize("data", [b"", b"\x80", b"rubbish", b"\x81\xa6schema\x02"])
def test_what_is_no_compiled_plan_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no plan of this version"):
        compiled.decode(data)
