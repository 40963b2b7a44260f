"""A plan of 2,000 tasks: ten-level ids, one chain from first to last, long notes, text of every direction."""

import time
from pathlib import Path

import pytest

from console.plan.loading import examine, load_plan, shipped

TASKS, PHASES = 2_000, 20
NOTES = (
    "A note of ordinary length, as they are.",
    "\\n".join(["x" * 99] * 100),
    "\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET} \N{ARABIC LETTER BEH}\N{ARABIC FATHA} "
    "e\N{COMBINING ACUTE ACCENT} \N{CJK UNIFIED IDEOGRAPH-6F22}",
)


def name(number: int) -> str:
    """Ten levels: ``T0.0.0.0.0.0.1.2.3.4``."""
    return "T" + ".".join(f"{number:010d}")


def task(number: int) -> str:
    id = name(number)
    lines = [
        f'[task."{id}"]',
        f'title = "Task {number}"',
        f'about = "{NOTES[0] if number % 20 > 1 else NOTES[1 + number % 20]}"',
        'host = "HERE"',
        f'day = "D{number * PHASES // TASKS}"',
        'due = "11:00"',
        "minutes = [10, 20]",
        'operation = "host.shell"',
        f'[task."{id}".parameters]',
        'command = ["cat"]',
        'output = "out.txt"',
    ]
    if number:
        lines.insert(2, f'needs = ["{name(number - 1)}"]')
        lines.append(f'input = {{ task = "{name(number - 1)}", artefact = "output" }}')
    lines += [
        f'[task."{id}".step]\n"{id}-1" = "Do it"',
        f'[task."{id}".record]\nlines = {{ label = "Lines", measure = "lines", expect = {{ at_least = 0 }} }}',
        'note = { label = "What was seen" }',
        f'[task."{id}".deliverable]\n"X-{number}" = "Done"\n',
    ]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("large")
    top = ['schema = 1\nid = "large"\ntitle = "Large"\nversion = "1"\nstart = 2026-01-01\ndays = 20\n']
    for phase in range(PHASES):
        top.append(f'[phase.P{phase}]\ntitle = "Phase {phase}"\nfile = "p{phase}.toml"\noffset = {phase}\ndays = 1\n')
        each = range(phase * TASKS // PHASES, (phase + 1) * TASKS // PHASES)
        days = f'[day.D{phase}]\ntitle = "Day"\noffset = {phase}\n\n'
        (home / f"p{phase}.toml").write_text(days + "\n".join(map(task, each)))
    (home / "plan.toml").write_text("\n".join(top))
    return home


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
