"""Text from elsewhere through every place that shows text: nothing of it reaches the terminal, nothing is markup."""

import json

import pytest
from msgspec.structs import replace

from console.conductor.view import DeliverableView, JobView, ParameterView, RecordView, Row
from console.journal import entries
from console.plan import types

ATTACK = (
    "[red]X[/red] [@click=app.quit]Y[/] \x1b]52;c;cm0gLXJm\x07\x1b[2J\x9b31m\x1b]0;own\x1b\\\u202egnp\x00\x07\x85[b"
)
KEPT = "[red]X[/red] [@click=app.quit]Y[/]"


def hostile(view):
    """The view with every foreign text of it made hostile."""

    def struct(item, **given):
        return type(item)(**({name: getattr(item, name) for name in item.__struct_fields__} | given))

    plan = view.plan
    plan = struct(
        plan,
        title=ATTACK,
        phase={id: struct(phase, title=f"{id} {ATTACK}") for id, phase in plan.phase.items()},
        day={id: struct(day, title=f"{id} {ATTACK}") for id, day in plan.day.items()},
        task={id: struct(task, about=ATTACK, step={"s": ATTACK}) for id, task in plan.task.items()},
        gate={"G1": types.Gate(title=ATTACK, about=ATTACK)},
    )
    site = struct(view.site, host={id: struct(host, about=ATTACK, root=ATTACK) for id, host in view.site.host.items()})
    jobs = tuple(replace(job, reason=ATTACK) for job in view.tasks["W0.2.1"].jobs)
    task = replace(
        view.tasks["W0.2.1"],
        title=ATTACK,
        why=(ATTACK,),
        stale=(ATTACK,),
        contingencies=(ATTACK,),
        jobs=jobs,
        hosts=(ATTACK,),
        records=(
            RecordView("a", ATTACK, "", False, value=ATTACK, source=ATTACK, unit=ATTACK),
            RecordView("b", ATTACK, "", True, reason=ATTACK, expected=ATTACK, source=ATTACK),
            RecordView("c", ATTACK, "", False, value={ATTACK: 1.0}, rows=(Row(1, ATTACK), Row(2, ATTACK))),
        ),
        deliverables=(DeliverableView("d", ATTACK, ATTACK, ATTACK, True), DeliverableView("e", ATTACK, may_tick=True)),
        parameters=(ParameterView("p", ATTACK, ATTACK, "plan", False, ATTACK, True, "value"),
                    ParameterView("q", ATTACK, ATTACK, "site", False, ATTACK, True, "artefact")),
    )  # fmt: skip
    tasks = view.tasks | {"W0.2.1": task}
    tasks["W0.2.4"] = replace(tasks["W0.2.4"], title=ATTACK, parameters=task.parameters, operation=ATTACK)
    held = view.gates["G1"]
    shown = [replace(c, label=ATTACK, shown=ATTACK, asks=ATTACK, reason=ATTACK, job=ATTACK, host=ATTACK, met=None)
             for c in held.criteria]  # fmt: skip
    gate = replace(held, title=ATTACK, criteria=tuple(shown), why_not=(ATTACK,), also_ran=(ATTACK,), state="ready")
    return replace(view, plan=plan, site=site, tasks=tasks, gates={"G1": gate}, attention=(("W0.2.1", ATTACK),))


def assert_harmless(text: str) -> None:
    bad = {hex(ord(sign)) for sign in text if sign != "\n" and (ord(sign) < 32 or 127 <= ord(sign) < 160)}
    assert not bad
    assert "\u202e" not in text


@pytest.fixture
def service(recorded):
    event = {"type": "log", "t": 1760707260.0, "text": ATTACK}
    made = {"type": "artefact", "t": 1.0, "name": ATTACK, "path": ATTACK, "size": 1, "sha256": ATTACK}
    metric = {"type": "metric", "t": 1.0, "name": "loss", "step": 1, "value": 1.0}
    progress = {"type": "progress", "t": 1.0, "done": 1, "total": 2, "unit": ATTACK}
    events = b"".join(json.dumps(e).encode() + b"\n" for e in (event, made, metric, progress)) + ATTACK.encode() + b"\n"
    found = recorded(events=events)
    found.current = hostile(found.current)
    found.refuse = ATTACK
    found.hosts.state = lambda _: ATTACK
    typed = entries.RecordTyped(task=ATTACK, round=1, record=ATTACK, value=ATTACK)
    found.journal = [entries.Row(sequence=1, previous="", time=ATTACK, operator=ATTACK, entry=typed)]
    found.told = [replace_reason(reading) for reading in found.told]
    return found


def replace_reason(reading):
    reading.gpu_reason = reading.temperature_reason = reading.watts_reason = ATTACK
    return reading


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_pane_and_dialog(service, console, settled, shown, size):
    app = console(service)
    seen = []
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        app.console_screen.go("W0.2.1")
        for keys in (
            [], ["i"], ["l"], ["p"], ["h"], ["escape", "g"], ["ctrl+y"], ["escape", "escape", "j"], ["enter"],
            ["escape", "escape", "e"], ["1", "enter"], ["escape", "s"], ["y"], ["escape", "question_mark"],
            ["escape", "slash", "X", "enter"], ["ctrl+p"], ["X"],
        ):  # fmt: skip
            await pilot.press(*keys)
            await pilot.pause(0.05)
            screen = "\n".join(shown(app))
            assert_harmless(screen)
            seen.append(screen)
        await pilot.press("escape", "escape")
        app.console_screen.go("W0.2.4")
        await pilot.press("r")
        await pilot.pause(0.05)
        await pilot.press("ctrl+r")
        await pilot.pause(0.1)
        seen.append("\n".join(shown(app)))
        assert_harmless(seen[-1])
        assert app.is_running
        svg = app.export_screenshot()
        assert "own" not in svg.replace("shown", "").replace("down", "")
    everything = "\n".join(seen)
    for place in (0, 1, 2, 5, 6, 7, 8, 9, 10):
        assert "[red]X[/" in seen[place], place
    assert everything.count("[red]X[/red]") > 30


def test_the_attack_is_one():
    """The control: the text holds what the test looks for."""
    with pytest.raises(AssertionError):
        assert_harmless(ATTACK)
    assert KEPT in ATTACK
    assert isinstance(JobView.__doc__, str)
