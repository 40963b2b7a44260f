"""The journal's append, chain and unique keys, on real SQLite files and real processes."""

import datetime
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.journal.entries import Created, RecordTyped, Ticked, decode_row, encode_row
from console.journal.fold import State
from console.journal.store import Duplicate, Journal, JournalError

FIRST = Created(
    plan="p", version="1", plan_digest="aa", site="s", site_digest="bb", rehearsal=True,
    not_here={"G1.speed": "loopback"}, start=datetime.date(2025, 10, 16),
)  # fmt: skip


def typed(record: str, value: object = 1) -> RecordTyped:
    return RecordTyped(task="T", round=1, record=record, value=value)


@pytest.fixture
def journal(tmp_path):
    made = Journal.create(tmp_path / "journal.db", FIRST, "Ada")
    yield made
    made.close()


def test_what_was_appended_is_there_after_opening_again(journal):
    journal.append("Ada", lambda _: [(None, typed("a", 3)), (None, typed("b", "x"))])
    again = Journal.open(journal.path)
    assert again.state.created == FIRST
    assert {k[2]: (v.value, v.operator) for k, v in again.state.records.items()} == {"a": (3, "Ada"), "b": ("x", "Ada")}
    assert again.state.sequence == 3
    assert again.state.head == journal.state.head


def test_a_key_is_taken_once_and_the_whole_append_with_it_refused(journal):
    journal.append("Ada", lambda _: [("k", typed("a"))])
    with pytest.raises(Duplicate):
        journal.append("Ada", lambda _: [(None, typed("b")), ("k", typed("c"))])
    assert set(journal.state.records) == {("T", 1, "a", "")}
    assert set(Journal.open(journal.path).state.records) == {("T", 1, "a", "")}


def test_a_refusing_precondition_sees_the_head_and_writes_nothing(journal):
    other = Journal.open(journal.path)
    other.append("Bob", lambda _: [(None, typed("a"))])

    def refuse(state: State):
        assert ("T", 1, "a", "") in state.records, "the fold must be at the head inside the transaction"
        raise RuntimeError("no")

    assert journal.changed()
    with pytest.raises(RuntimeError, match="no"):
        journal.append("Ada", refuse)
    assert Journal.open(journal.path).state.sequence == 2
    assert not journal.changed()


def test_changed_tells_only_of_others(journal):
    assert not journal.changed()
    journal.append("Ada", lambda _: [(None, typed("a"))])
    assert not journal.changed()
    Journal.open(journal.path).append("Bob", lambda _: [(None, typed("b"))])
    assert journal.changed()
    journal.refresh()
    assert not journal.changed()
    assert ("T", 1, "b", "") in journal.state.records


def test_no_name_no_row(journal):
    with pytest.raises(ValueError, match="operator"):
        journal.append(" ", lambda _: [(None, typed("a"))])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "UPDATE row SET stored = CAST(replace(CAST(stored AS TEXT), 'Ada', 'Eve') AS BLOB) WHERE sequence = 3",
            "row 3 does not have its hash",
        ),
        ("DELETE FROM row WHERE sequence = 3", "row 3 is missing"),
        ("UPDATE row SET sequence = -1 WHERE sequence = 2", "row 2 is missing"),
        (
            "UPDATE row SET stored = (SELECT stored FROM row WHERE sequence = 3),"
            " hash = (SELECT hash FROM row WHERE sequence = 3) WHERE sequence = 2",
            "row 2 does not follow",
        ),
    ],
)
def test_edits_deletions_and_swaps_are_named(journal, change, says):
    for name in "abc":
        journal.append("Ada", lambda _, name=name: [(None, typed(name))])
    journal.close()
    with sqlite3.connect(journal.path) as database:
        database.execute(change)
    with pytest.raises(JournalError, match=says):
        Journal.open(journal.path)


def test_another_sqlite_file_is_no_journal(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE row (x)")
    with pytest.raises(JournalError, match="not a journal"):
        Journal.open(path)
    (tmp_path / "text.db").write_text("hello " * 200)
    with pytest.raises(JournalError):
        Journal.open(tmp_path / "text.db")


WRITER = """
import sys
from pathlib import Path
from console.journal.entries import RecordTyped
from console.journal.store import Duplicate, Journal
journal = Journal.open(Path(sys.argv[1]))
won = 0
for i in range(40):
    try:
        row = RecordTyped(task="T", round=1, record=f"r{i}", value=sys.argv[2])
        journal.append(sys.argv[2], lambda _: [(f"once:{i}", row)])
        won += 1
    except Duplicate:
        pass
print(won)
"""


def test_two_processes_write_one_chain_and_each_key_is_won_once(journal):
    writers = [
        subprocess.Popen([sys.executable, "-P", "-c", WRITER, str(journal.path), name], stdout=subprocess.PIPE)
        for name in ("Ada", "Bob", "Eve")
    ]
    won = [int(w.communicate(timeout=60)[0]) for w in writers]
    assert sum(won) == 40
    assert Journal.open(journal.path).state.sequence == 41


KILLED = """
import os, sys
from pathlib import Path
from console.journal.entries import RecordTyped
from console.journal.store import Journal
journal = Journal.open(Path(sys.argv[1]))
i = 0
while True:
    journal.append("Ada", lambda _: [(None, RecordTyped(task="T", round=1, record=f"r{i}", value=i))])
    os.write(1, f"{i}\\n".encode())
    i += 1
"""


@pytest.mark.parametrize("after", [1, 7, 40])
def test_what_was_acknowledged_survives_kill_9(journal, after):
    writer = subprocess.Popen([sys.executable, "-P", "-c", KILLED, str(journal.path)], stdout=subprocess.PIPE)
    said = [writer.stdout.readline() for _ in range(after)]
    writer.kill()
    said += writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    acknowledged = {f"r{int(line)}" for line in said if line.endswith(b"\n")}
    kept = {record for _, _, record, _ in Journal.open(journal.path).state.records}
    assert acknowledged <= kept
    assert len(kept) <= len(acknowledged) + 1


scalars = st.one_of(
    st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=30)
)


@given(st.lists(st.tuples(st.sampled_from("abc"), scalars, st.booleans()), max_size=12))
@settings(max_examples=30, deadline=None)
def test_fold_of_what_was_stored_is_the_fold_of_what_was_meant(tmp_path_factory, steps):
    path: Path = tmp_path_factory.mktemp("j") / "journal.db"
    journal = Journal.create(path, FIRST, "Ada")
    records, ticks = {}, set()
    for name, value, undo in steps:
        tick = Ticked(task="T", round=1, deliverable=name, undo=undo)
        journal.append("Ada", lambda _, n=name, v=value, t=tick: [(None, typed(n, v)), (None, t)])
        records[name] = value
        (ticks.discard if undo else ticks.add)(name)
    journal.close()
    state = Journal.open(path).state
    assert {k[2]: v.value for k, v in state.records.items()} == records
    assert {k[2] for k in state.ticks} == ticks


@given(scalars)
@settings(max_examples=50)
def test_a_row_survives_its_bytes(value):
    from console.journal.entries import Row

    row = Row(sequence=1, previous="", time="2026-01-01T00:00:00.000Z", operator="Ada", entry=typed("a", value))
    assert decode_row(encode_row(row)) == row
