"""The live log: follows until someone scrolls, is searched where it lies, takes any rate."""

import gc
import json
import time

import pytest
from textual.app import App

from console.app.follow import Follower
from console.app.widgets.log import LogPane


def lines(first: int, count: int) -> bytes:
    event = {"type": "log", "t": 1760707260.0}
    return b"".join(json.dumps(event | {"text": f"line {n}"}).encode() + b"\n" for n in range(first, first + count))


class LogApp(App):
    """The pane alone."""

    CSS = "LogPane { border: round white; }"

    def __init__(self, path) -> None:
        super().__init__()
        self.animation_level = "none"
        self.follower = Follower(path)

    def compose(self):
        yield LogPane(id="log")

    def feed(self) -> None:
        while self.follower.behind or self.follower.poll():
            self.follower.poll()
        self.query_one(LogPane).show(self.follower, "job a3f19c02")

    @property
    def rows(self) -> list[str]:
        pane = self.query_one(LogPane)
        return [pane.render_line(y).text[9:].strip() for y in range(pane.size.height)]

    @property
    def told(self) -> str:
        return str(self.query_one(LogPane).border_subtitle)


async def add(app, pilot, path, first, count):
    with path.open("ab") as stream:
        stream.write(lines(first, count))
    app.feed()
    await pilot.pause()


async def test_it_follows_until_someone_scrolls_and_again_with_end(tmp_path):
    path = tmp_path / "events.jsonl"
    app = LogApp(path)
    async with app.run_test(size=(60, 12)) as pilot:
        assert app.rows[0] == "no job of this task has said anything"[8:] or "no job" in app.query_one(LogPane).plain
        await add(app, pilot, path, 0, 100)
        assert app.rows == [f"line {n}" for n in range(90, 100)]
        assert app.told == "following"
        await add(app, pilot, path, 100, 5)
        assert app.rows[-1] == "line 104"
        await pilot.press("up", "up")
        await pilot.pause()
        assert app.rows[-1] == "line 102"
        assert "of 105, End follows" in app.told
        await add(app, pilot, path, 105, 50)
        assert app.rows[-1] == "line 102"  # what one reads stays where it is
        await pilot.press("end")
        await pilot.pause()
        assert app.rows[-1] == "line 154"
        await add(app, pilot, path, 155, 1)
        assert app.rows[-1] == "line 155"
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert app.rows[-1] == "line 155"
        assert app.told == "following"


async def test_the_first_line_is_read_from_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("console.app.follow.RING_BYTES", 2_000)
    path = tmp_path / "events.jsonl"
    app = LogApp(path)
    async with app.run_test(size=(60, 12)) as pilot:
        await add(app, pilot, path, 0, 5_000)
        await pilot.press("home")
        await pilot.pause()
        assert app.rows == [f"line {n}" for n in range(10)]
        await pilot.press("pagedown")
        await pilot.pause()
        assert app.rows[0] == "line 9"


async def test_search_counts_and_goes_round(tmp_path, monkeypatch):
    monkeypatch.setattr("console.app.follow.RING_BYTES", 2_000)
    path = tmp_path / "events.jsonl"
    app = LogApp(path)
    async with app.run_test(size=(60, 12)) as pilot:
        await add(app, pilot, path, 0, 3_000)
        app.query_one(LogPane).focus()
        app.query_one(LogPane).find("LINE 12")
        wanted = [n for n in range(3_000) if str(n).startswith("12")]
        while f"{len(wanted)} of {len(wanted)} matches" not in app.told:
            await pilot.pause(0.01)
        assert any(row == f"line {wanted[-1]}" for row in app.rows)
        await pilot.press("n")
        assert f"1 of {len(wanted)} matches" in app.told
        assert "line 12" in app.rows
        await pilot.press("N")
        assert f"{len(wanted)} of {len(wanted)} matches" in app.told
        await add(app, pilot, path, 3_000, 1)
        await add(app, pilot, path, 12_000, 1)
        while f"of {len(wanted) + 1} matches" not in app.told:
            await pilot.pause(0.01)
        app.query_one(LogPane).find("nowhere")
        while "0 found" not in app.told:
            await pilot.pause(0.01)


async def test_another_job_starts_over(tmp_path):
    path, other = tmp_path / "events.jsonl", tmp_path / "other.jsonl"
    app = LogApp(path)
    async with app.run_test(size=(60, 12)) as pilot:
        await add(app, pilot, path, 0, 100)
        await pilot.press("home")
        other.write_bytes(lines(500, 3))
        app.follower = Follower(other)
        app.feed()
        await pilot.pause()
        assert [row for row in app.rows if row] == ["line 500", "line 501", "line 502"]


@pytest.mark.alone
async def test_fifty_thousand_lines_a_second_leave_the_keys_alone(tmp_path):
    """The reader takes at most its budget at a go: between two goes a key is answered."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(lines(0, 100_000))
    follower = Follower(path)
    # This process holds all tests' objects: a collection that looks through them takes 0.2 s, which no console has.
    gc.freeze()
    longest, started = 0.0, time.perf_counter()
    while follower.behind:
        before = time.perf_counter()
        follower.poll(0.008)
        longest = max(longest, time.perf_counter() - before)
    taken = time.perf_counter() - started
    gc.unfreeze()
    assert follower.count == 100_000
    assert taken < 4.0
    assert longest < 0.25
