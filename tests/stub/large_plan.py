"""A plan of 2,000 tasks: ten-level ids, one chain from first to last, long notes, text of every direction."""

from pathlib import Path

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


def write(home: Path) -> Path:
    """Lays the plan's files in the directory."""
    top = ['schema = 1\nid = "large"\ntitle = "Large"\nversion = "1"\nstart = 2026-01-01\ndays = 20\n']
    for phase in range(PHASES):
        top.append(f'[phase.P{phase}]\ntitle = "Phase {phase}"\nfile = "p{phase}.toml"\noffset = {phase}\ndays = 1\n')
        each = range(phase * TASKS // PHASES, (phase + 1) * TASKS // PHASES)
        days = f'[day.D{phase}]\ntitle = "Day"\noffset = {phase}\n\n'
        (home / f"p{phase}.toml").write_text(days + "\n".join(map(task, each)))
    (home / "plan.toml").write_text("\n".join(top))
    return home
