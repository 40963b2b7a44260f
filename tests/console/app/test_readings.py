"""What an operator sees of the hosts: limits on the strip, alerts among the needs, readings over time."""

import pytest
from msgspec.structs import replace

from console.app.draw import hosts
from console.app.draw.readings import blocks, means
from console.app.glyphs import ASCII, UNICODE
from console.conductor.view import AlertView
from console.hosts.archive import PARTS, History, Point
from console.plan.types import Limit

WIDE, SMALL = (120, 40), (80, 24)
DISK = Limit(label="Disk free", reading="disk_free", compare=">", threshold=1e12)
HOT = Limit(label="Temperature", reading="temperature_c", compare="<", threshold=85)
BUSY = Limit(label="GPU in use", reading="gpu_percent", compare=">", threshold=80, level="warning")
ALERT = AlertView(
    "ALPHA", "disk", "Disk free", "disk_free", "alert", "2025-10-17T13:50:00.000Z", "61.0 GB, limit > 1.0 TB"
)


@pytest.fixture
def limited(recorded, reading):
    """``limited(disk=DISK, gpu_percent=5.0)``: a service with those limits watched on ALPHA, and that last reading."""

    def make(*, alerts=(), aside="", past=None, **given):
        service = recorded()
        limits = {name: one for name, one in given.items() if isinstance(one, Limit)}
        service.told = [reading(180.0, **{name: v for name, v in given.items() if name not in limits})]
        service.past = {("ALPHA", span): one for span, one in (past or {}).items()}
        view = service.current
        service.current = replace(
            view,
            plan=replace(view.plan, limit=limits),
            limits=dict.fromkeys(((name, "ALPHA") for name in limits), aside),
            alerts=tuple(alerts),
            attention=(*((a.host, f"{a.level}: {a.label} {a.text}") for a in alerts), *view.attention),
        )
        return service

    return make


@pytest.fixture
def strip(limited):
    """The hosts' line as spans."""

    def drawn(**given):
        service = limited(**given)
        heard = {id: hosts.Heard("up", service.told, 0.0) for id in service.current.site.host}
        return hosts.strip(service.current, heard, 160, UNICODE).left

    return drawn


def history(span="hour", end=1_760_709_751.0, length=3_600.0, **values):
    parts = {name: [None if v is None else Point(v, v, v) for v in found] for name, found in values.items()}
    had = {name: [p.mean for p in found if p] for name, found in parts.items()}
    whole = {name: Point(min(found), sum(found) / len(found), max(found)) for name, found in had.items()}
    return History(span, end - length, end, whole, parts)


def test_a_reading_that_does_not_hold_its_limit_is_coloured_and_marked(strip):
    assert ("61.0 GB free!", "bad") in strip(disk=DISK)
    assert ("5 %!", "warn") in strip(busy=BUSY, gpu_percent=5.0)
    assert ("92 °C!", "bad") in strip(hot=HOT, temperature_c=92.0)


def test_a_reading_that_holds_or_that_nobody_asks_is_not(strip):
    assert ("60 °C", "") in strip(hot=HOT, temperature_c=60.0)
    assert ("61.0 GB free", "") in strip()
    assert ("61.0 GB free", "") in strip(disk=DISK, aside="small amounts need no terabyte")


def test_what_can_not_be_had_is_no_alarm(strip):
    spans = strip(busy=BUSY, hot=HOT)
    assert ("n/a", "dim") in spans
    assert not [text for text, style in spans if style in ("bad", "warn")]


def test_macs_without_a_thermometer_say_their_pressure(strip):
    assert ("heavy", "") in strip(thermal_pressure=2)
    assert ("61 °C", "") in strip(thermal_pressure=2, temperature_c=61.0)


def test_an_alert_of_a_reading_that_the_strip_has_not_is_on_it_too(strip):
    alert = AlertView("ALPHA", "load", "Load", "load1", "warning", "2025-10-17T13:50:00.000Z", "9, limit < 4")
    assert ("  Load!", "warn") in strip(alerts=[alert])
    assert ("  Load!", "warn") not in strip()


async def test_an_alert_is_among_the_needs_and_leads_to_its_reading(limited, console, settled, shown):
    app = console(limited(disk=DISK, alerts=[ALERT]))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        assert "ALPHA  alert: Disk free 61.0 GB, limit > 1" in "\n".join(shown(app))
        await pilot.press("n")
        pane = app.query_one("#hosts")
        assert pane.display
        assert pane.key == ("ALPHA", "disk_free")
        assert "! Disk free: > 1.0 TB, alert since 2025-10-17 13:50" in pane.plain
        await pilot.press("n")
        assert app.console_screen.chosen == "W0.2.2", "the next need is not the same one again"
        app.console_screen.set_focus(app.query_one("#needs"))
        app.query_one("#needs").seek(("host", "ALPHA"))
        await pilot.press("enter")
        assert app.console_screen.pane == "hosts"


async def test_the_span_turns_from_hour_to_day_to_programme(limited, console, settled):
    past = {
        "hour": history(cpu_percent=[10.0] * PARTS),
        "day": history("day", length=86_400.0, cpu_percent=[20.0, 60.0] * (PARTS // 2)),
        "programme": history("programme", length=30 * 86_400.0, cpu_percent=[30.0] * PARTS),
    }
    app = console(limited(past=past))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("h")
        pane = app.query_one("#hosts")
        for heading, figures in (
            ("least    mean    most last hour", "10 %    10 %    10 %"),
            ("least    mean    most last day", "20 %    40 %    60 %"),
            ("least    mean    most programme, 30 d 0 h", "30 %    30 %    30 %"),
            ("last hour", "10 %    10 %    10 %"),
        ):
            assert heading in pane.plain
            assert figures in pane.plain
            await pilot.press("v")


async def test_enter_plots_a_reading_with_its_gap_and_takes_the_plot_away(limited, console, settled):
    values = [10.0] * 40 + [None] * 40 + [90.0] * 40
    app = console(limited(past={"hour": history(cpu_percent=values)}))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("h")
        pane = app.query_one("#hosts")
        pane.seek(("ALPHA", "cpu_percent"))
        before = pane.plain
        await pilot.press("enter")
        assert "17 Oct 13:02" in pane.plain
        assert "17 Oct 14:02 UTC" in pane.plain
        assert "least 10 %, mean 50 %, most 90 %" in pane.plain
        rows = [row.partition("│")[2] for row in pane.plain.split("\n") if "│" in row]
        assert len(rows) == 6
        third = len(rows[0].rstrip()) // 3
        assert {row[third + 1 : 2 * third - 1].strip() for row in rows} == {""}, "a gap stays one"
        assert set(rows[0].rstrip()[2 * third + 2 :]) <= set("▁▂▃▄▅▆▇█")
        assert rows[0][: third - 1].strip() == ""
        await pilot.press("enter")
        assert pane.plain == before


@pytest.mark.parametrize("name", ["disk_free", "load1", "cpu_percent", "temperature_c"])
@pytest.mark.parametrize("value", [0.0, 1e-12, 0.3, 6e10, 1e15])
async def test_what_never_changed_can_be_plotted(limited, console, settled, name, value):
    app = console(limited(past={"hour": history(**{name: [value] * PARTS})}))
    async with app.run_test(size=SMALL) as pilot:
        await settled(pilot)
        await pilot.press("h")
        pane = app.query_one("#hosts")
        pane.seek(("ALPHA", name))
        await pilot.press("enter")
        rows = [row.partition("│")[2].strip() for row in pane.plain.split("\n") if "│" in row]
        assert len(rows) == 6
        assert any(rows)


async def test_a_reading_without_a_history_says_so(limited, console, settled):
    app = console(limited(past={"hour": history(cpu_percent=[1.0] * PARTS)}))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("h")
        app.query_one("#hosts").seek(("ALPHA", "watts"))
        await pilot.press("enter")
        assert "power: no history yet" in app.query_one("#hosts").plain


@pytest.mark.parametrize(
    ("aside", "said"),
    [
        ("", "Disk free: > 1.0 TB, alert after 10 s"),
        ("no terabyte here", "Disk free: > 1.0 TB, not watched now: no terabyte here"),
    ],
)
async def test_below_a_plot_stands_what_the_plan_asks(limited, console, settled, aside, said):
    app = console(limited(disk=DISK, aside=aside, past={"hour": history(disk_free=[6e10] * PARTS)}))
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("h")
        pane = app.query_one("#hosts")
        assert said not in " ".join(pane.plain.split())
        pane.seek(("ALPHA", "disk_free"))
        await pilot.press("enter")
        assert said in " ".join(pane.plain.split())
        assert ("! Disk free" in pane.plain) is (aside == "")


async def test_a_host_that_is_silent_shows_its_past_and_nothing_as_now(limited, console, settled):
    service = limited(disk=DISK, past={"hour": history(cpu_percent=[10.0] * PARTS)})
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        app.console_screen.query_one("#hosts").show(
            service.current, {"ALPHA": hosts.Heard("down", service.told, 7_200.0)}
        )
        await pilot.press("h")
        app.query_one("#hosts").show(service.current, {"ALPHA": hosts.Heard("down", service.told, 7_200.0)})
        pane = app.query_one("#hosts").plain
        assert "processors  n/a  not heard for 2 h" in pane
        assert "10 %    10 %    10 %" in pane
        assert "61.0 GB" not in pane
        assert "12 %" not in pane


async def test_only_rows_that_changed_are_painted(limited, console, settled, reading, monkeypatch):
    service = limited(past={"hour": history(cpu_percent=[10.0] * PARTS)})
    app = console(service)
    async with app.run_test(size=WIDE) as pilot:
        await settled(pilot)
        await pilot.press("h")
        pane = app.query_one("#hosts")
        painted = []
        monkeypatch.setattr(pane, "refresh_lines", lambda y, count=1: painted.extend(range(y, y + count)))
        app.console_screen.show_hosts()
        assert painted == []
        service.told = [*service.told, reading(182.0, cpu_percent=55.0)]
        app.console_screen.show_hosts()
        assert [pane.lines[y].plain.split()[0] for y in painted] == ["processors"]


@pytest.mark.parametrize("size", [SMALL, WIDE])
@pytest.mark.parametrize("environ", [{}, {"LC_ALL": "C"}], ids=["unicode", "ascii"])
async def test_the_pane_fits(limited, console, settled, shown, size, environ):
    past = {"hour": history(cpu_percent=[v % 100 for v in range(PARTS)], temperature_c=[60.0] * PARTS)}
    app = console(limited(disk=DISK, hot=HOT, temperature_c=92.0, alerts=[ALERT], past=past), **environ)
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await pilot.press("h")
        app.query_one("#hosts").seek(("ALPHA", "cpu_percent"))
        await pilot.press("enter")
        rows = shown(app)
        text = "\n".join(rows)
        assert all(len(row) == size[0] for row in rows)
        assert "temperature 92" in text.replace("°", "")
        assert "! Temperature: < 85" in text
        if environ:
            assert text.isascii()


def test_columns_are_means_and_gaps_stay_gaps():
    parts = [Point(0, 10, 20), Point(0, 30, 40), None, None]
    assert means(parts, 2) == [20.0, None]
    assert means(parts, 8) == [10, 10, 30, 30, None, None, None, None]
    assert means((), 3) == [None, None, None]


def test_blocks_rise_from_the_least_to_the_most():
    assert blocks([0.0, None, 50.0, 100.0], 0.0, 100.0, 2, UNICODE) == ["  ▁█", "▁ ██"]
    assert blocks([100.0, -5.0, 200.0], 0.0, 100.0, 1, ASCII) == ["#_#"]
