"""What the task's and the gate's panes say, without a terminal: in a rehearsal, elsewhere, and where it is narrow."""

import datetime

import pytest
from msgspec.structs import replace

from console.app.draw import gate, task
from console.app.glyphs import UNICODE
from console.conductor.view import ContingencyView, NoteView, Occurrence, RecordView

MISSED = RecordView(
    "patterns", "patterns", "", False, value=2000, met=False, expected="≥ 10,000,000", source="a3f19c02"
)


SIGNS = {"quiet": (), "open": ("W0.2.1 failed: job a3f19c02",), "answered": ("W0.2.1 failed: job a3f19c02",)}
ANSWERS = {"quiet": (), "open": (), "answered": (NoteView("batch is 16 now", "arthur", "2025-10-17T13:30:00.000Z"),)}


@pytest.fixture
def drawn(recorded):
    """``drawn(record)``: the pane of a task with that record, as lines; ``rehearsal`` says what for a site it is."""

    def lines(*records, rehearsal=True, calls="quiet", **given):
        view = recorded().current
        held = replace(view.tasks["W0.2.1"], records=records, **given)
        contingency = ContingencyView(
            "C-10", "error", "out of memory", "halve the batch", "", (), calls, SIGNS[calls], ANSWERS[calls]
        )
        view = replace(
            view,
            rehearsal=rehearsal,
            tasks={"W0.2.1": held},
            contingencies={"C-10": contingency},
        )
        return task.lines(view, view.tasks["W0.2.1"], 110, UNICODE, "")

    return lines


def spans(lines, text):
    return [(said, style) for line in lines for said, style in (*line.left, *line.right) if text in said]


def test_a_miss_of_a_scaled_amount_says_only_what_the_plan_asks(drawn):
    lines = drawn(MISSED)
    assert spans(lines, "10,000,000") == [("  plan: ≥ 10,000,000", "dim")]
    assert spans(lines, "2,000") == [("2,000", "")]


def test_a_miss_elsewhere_is_said(drawn):
    lines = drawn(MISSED, rehearsal=False)
    assert spans(lines, "10,000,000") == [("  expected ≥ 10,000,000, is not", "warn")]
    assert spans(lines, "2,000") == [("2,000", "warn")]


@pytest.mark.parametrize(("value", "words"), [(True, "as expected"), (False, "not as expected")])
def test_a_yes_or_no_is_as_expected_or_not(drawn, value, words):
    record = RecordView("valid", "valid", "", False, value=value, met=value, expected="= yes", source="a3f19c02")
    assert spans(drawn(record), "as expected") == [(f"  {words}", "good" if value else "warn")]


@pytest.mark.parametrize(
    ("hours", "said"), [(0.003364, "0.003364 h = 12 s"), (0.002, "0.002 h = 7.2 s"), (0.05, "0.05 h = 3 min"),
                        (0.5, "0.5 h")]
)  # fmt: skip
def test_small_parts_of_an_hour_are_also_said_in_seconds(drawn, hours, said):
    record = RecordView("duration", "duration", "", False, value=hours, unit="h", source="a3f19c02")
    assert spans(drawn(record), said.split()[0])[0][0].strip() == said


def test_accuracies_of_a_table_are_percents_and_other_tables_are_not(drawn):
    table = {"XSS": 0.5, "SQLi": 1.0, "RCE": None}
    record = RecordView("by_type", "accuracy by type", "", False, value=table, source="a3f19c02")
    assert spans(drawn(record), "XSS 50.0 %, SQLi 100.0 %, RCE n/a")
    assert spans(drawn(replace(record, label="loss by type")), "XSS 0.5, SQLi 1, RCE n/a")
    assert spans(drawn(replace(record, value={"XSS": 50.0})), "XSS 50")


def test_a_contingency_says_when_and_what(drawn):
    assert spans(drawn(contingencies=("C-10",)), "out of memory → halve the batch")


def test_what_calls_for_a_contingency_and_what_was_done_about_it(drawn):
    assert spans(drawn(contingencies=("C-10",), calls="open"), "C-10 out of memory: halve")[0][1] == "warn"
    assert spans(drawn(contingencies=("C-10",), calls="open"), "W0.2.1 failed")
    answered = drawn(contingencies=("C-10",), calls="answered")
    assert spans(answered, "C-10 out of memory")[0][1] == "dim"
    assert spans(answered, "arthur 2025-10-17 13:30: batch is 16 now")
    assert not spans(drawn(contingencies=("C-10",)), "W0.2.1 failed")


def test_days_of_a_repeated_task_say_which_is_shown_and_what_was_missed(drawn):
    noon = datetime.datetime(2025, 10, 17, 12, tzinfo=datetime.UTC)
    days = tuple(
        Occurrence(f"2025-10-{day}", noon, noon, state) for day, state in ((16, "missed"), (17, "due"), (18, "coming"))
    )
    found = drawn(occurrences=days, occurrence="2025-10-17")
    assert spans(found, "Day 2025-10-17")
    assert spans(found, "10-16 missed")[0][1] == "failed"
    assert spans(found, "→10-17 due")
    assert spans(found, "due 2025-10-17 12:00 UTC")[0][1] == "warn"
    assert not spans(drawn(), "[ ] go to other days")


def test_notes_and_attachments_say_who_and_when(drawn):
    notes = (
        NoteView("fan is loud\nand warm", "arthur", "2025-10-17T13:30:00.000Z"),
        NoteView("photo.png", "jane", "2025-10-17T13:31:00.000Z", "attachments/ab.png", "ab" * 32, 1_900_000),
    )
    plain = "\n".join(line.plain for line in drawn(notes=notes))
    assert "  ✎ arthur 2025-10-17 13:30\n    fan is loud\n    and warm\n" in plain
    assert "    photo.png\n    attachments/ab.png, 1.9 MB, SHA-256 abababababababab…" in plain


def test_a_gate_on_a_small_screen_cuts_no_label_and_says_nothing_twice(recorded):
    view = recorded("no-go").current
    held = view.gates["G1"]
    long = replace(
        held.criteria[0],
        label="critical errors, training",
        shown="85 of 100 = 85.0 %",
        reason="85 of 100 = 85.0 %; not proven here: no GPU",
    )
    held = replace(held, criteria=(long,))
    lines = gate.lines(view, held, 70, UNICODE, datetime.datetime.now(datetime.UTC))
    plain = "\n".join("".join(text for text, _ in line.fitted(70, "…")) for line in lines)
    assert "critical errors," in plain
    assert "training" in plain
    assert "…" not in plain
    assert plain.count("85 of 100 = 85.0 %") == 1
    assert "not proven here: no GPU" in plain
