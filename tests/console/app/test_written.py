"""A task that the program does itself, and boxes beside what speaks for them."""

from msgspec.structs import replace

from console.app.draw import task
from console.app.glyphs import UNICODE
from console.conductor.view import DeliverableView, RecordView

REPORT = RecordView("report", "Where it is", "", False, written=True, reason="the program writes it (run)")
BOX = DeliverableView("D-65", "Package is signed", may_tick=True, evidence=("W7.3 verified: yes", "W7.3 digest: 3f"))


def with_report(recorded, **given):
    service = recorded()
    held = replace(service.current.tasks["W0.2.5"], records=(replace(REPORT, **given),), deliverables=(BOX,))
    service.current = replace(service.current, tasks={**service.current.tasks, "W0.2.5": held})
    return service


def pane(service) -> list[str]:
    drawn = task.lines(service.current, service.current.tasks["W0.2.5"], 100, UNICODE, "")
    return ["".join(text for text, _ in (*line.left, *line.right)) for line in drawn]


def test_what_speaks_for_a_box_stands_below_it(recorded):
    rows = pane(with_report(recorded))
    at = next(number for number, row in enumerate(rows) if "Package is signed" in row)
    assert [row.strip(" ·•") for row in rows[at + 1 : at + 3]] == ["W7.3 verified: yes", "W7.3 digest: 3f"]


def test_a_written_record_says_where_it_is_and_for_whom_it_was_written(recorded):
    assert any("the program writes it (run)" in row for row in pane(with_report(recorded)))
    rows = pane(with_report(recorded, value="attachments/3f-report.html", source="arthur"))
    (row,) = (row for row in rows if "attachments/3f-report.html" in row)
    assert row.endswith("for arthur")


async def test_running_it_writes_it(recorded, console, settled):
    service = with_report(recorded)
    app = console(service)
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot)
        app.console_screen.go("W0.2.5")
        await pilot.pause()
        await pilot.press("r")
        await pilot.pause(0.1)
        assert service.asked == [("write", "W0.2.5", False)]
