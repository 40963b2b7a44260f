"""Marks and undressing: what is ours is known, and nothing else passes for it."""

import hashlib
import hmac

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from operations.model.production import own_output
from operations.model.production.own_output import Alert, Marks

KEY = b"k" * 32
MARKS = Marks(KEY)
PAYLOAD = "otto 17 core : cryptor was run"
texts = st.text(st.sampled_from(" \n\r\tGLADIATORalertmkv0189:é\u2028\"'\\<>-_%"), min_size=1, max_size=80)


def alert(payload: str = PAYLOAD) -> Alert:
    return Alert(own_output.fresh(), "high", "amber", "only", payload)


def test_an_alert_quotes_its_event_and_its_tag_is_hmac_sha256_of_all_before_it():
    told = alert()
    text = MARKS.alert(told)
    before, _, mark = text.rpartition("\nmark: ")
    assert before.splitlines() == [
        f"GLADIATOR ALERT {told.id}", "severity: high", "family: amber", "evidence: only", f"event: {PAYLOAD}"
    ]  # fmt: skip
    assert mark == f"{told.id} {hmac.new(KEY, before.encode(), hashlib.sha256).hexdigest()[:32]}"


@given(texts, texts)
def test_own_output_is_known_wherever_it_stands_and_the_rest_is_left(one, other):
    assume("GLADIATOR" not in one + other)
    own = [MARKS.alert(alert(one)), MARKS.report([alert(one), alert(other)]), MARKS.alert(alert(MARKS.alert(alert())))]
    for text in own:
        assert MARKS.strangers(text) == MARKS.strangers(f"\n {text} \n") == ""
        assert MARKS.strangers("\n".join(own)) == ""
        assert MARKS.strangers(f"{text}\n{other}") == other.strip()
        assert MARKS.strangers(f"<13>Nov 25 relay: {text}") == "<13>Nov 25 relay:"
    assert MARKS.strangers(other) == other


def test_only_the_very_text_under_the_very_key_is_known():
    told = alert()
    text = MARKS.alert(told)
    bare = own_output.alert(told)
    tag = text[-32:]
    for forged in (
        bare,
        text.replace("cryptor", "scripttag"),
        text.replace("high", "low"),
        text[:-1],
        text + "0",
        text.replace("\n", " "),
        own_output.with_tag(bare, told.id, "0" * 32),
        own_output.with_tag(own_output.alert(alert()), told.id, tag),
        own_output.with_tag(bare.replace(told.id, "0" * 16), "0" * 16, tag),
        Marks(b"x" * 32).alert(told),
    ):
        assert MARKS.strangers(forged) == forged
        assert own_output.dressed(forged)


@given(texts)
def test_undressing_finds_what_is_quoted(payload):
    told = alert(payload)
    assume(payload.strip() and not own_output._LABEL.search(f"\n{payload}"))
    for text in (
        own_output.alert(told),
        own_output.with_tag(own_output.alert(told), told.id, "0" * 32),
        own_output.report("0" * 16, [alert(), told, alert()]),
        own_output.with_tag(own_output.report("0" * 16, [told]), "0" * 16, "0" * 32),
        own_output.alert(told).lower().replace(payload.lower(), payload),
        f"{MARKS.alert(told)[:-1]}",
    ):
        assert payload.strip() in own_output.undressed(text)


@pytest.mark.parametrize(
    "hidden",
    [
        f"{PAYLOAD}\nGLADIATOR ALERT {'0' * 16}\nseverity: low",
        f"GLADIATOR ALERT {'0' * 16}\nseverity: {PAYLOAD}\nevent: backup",
        f"GLADIATOR ALERT {'0' * 16} {PAYLOAD}",
        f"GLADIATOR ALERT {'0' * 16}\nevent: backup\nmark: {'0' * 16} {'0' * 32}\n{PAYLOAD}",
        f"GLADIATOR REPORT {'0' * 16}\nalerts: 1\nalert: {PAYLOAD}",
        f"Gladiator   report {'0' * 16} alerts: 1 event: {PAYLOAD} mark: {'0' * 16} {'0' * 32}",
        f"event: {PAYLOAD}\nmark: {'0' * 16} {'0' * 32}",
    ],
)
def test_no_field_is_a_hiding_place(hidden):
    assert PAYLOAD in own_output.undressed(hidden)


def test_bare_values_are_no_events_and_other_events_stay_whole():
    told = alert()
    assert own_output.undressed(own_output.alert(told)) == [PAYLOAD]
    assert own_output.undressed(MARKS.alert(told)[:-1] + "x")[0] == PAYLOAD
    assert own_output.undressed(own_output.report("0" * 16, [told, told])) == [PAYLOAD]
    nested = own_output.alert(msgspec.structs.replace(told, event=own_output.alert(told)))
    assert own_output.undressed(nested) == [PAYLOAD]
    for event in (PAYLOAD, "event: one\nseverity: two", "the gladiators were alerted"):
        assert own_output.undressed(event) == []
        assert MARKS.readings(event) == [event]


def test_parts_are_read_one_by_one_and_as_one():
    split = f"GLADIATOR ALERT {'0' * 16}\nevent: only\nmark: cryptor was run"
    assert MARKS.readings(split) == ["only", "cryptor was run", "only cryptor was run"]
    assert MARKS.readings(own_output.alert(alert())) == [PAYLOAD]
    assert MARKS.readings(f"GLADIATOR ALERT {'0' * 16}") == [f"GLADIATOR ALERT {'0' * 16}"]
    assert MARKS.readings(MARKS.alert(alert())) == []
    assert MARKS.readings("") == [""]
    smuggled = f"GLADIATOR REPORT {'0' * 16}\nalert: {'0' * 16} drop table users"
    assert MARKS.readings(smuggled) == ["drop table users"]
