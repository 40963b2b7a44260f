"""Payloads that differ in literals only have one mask and one form, and what has one mask has one form."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operations.dataset import masking, records, sides

HEX = st.text("0123456789abcdef", min_size=1, max_size=24)
LITERALS = {
    "number": st.integers(-(10**9), 10**12).map(str) | st.floats(0, 1e6).map(lambda x: f"{x:.3f}"),
    "hex": HEX.map(lambda text: f"0x{text}"),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(lambda address: address.exploded),
    "mac": st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":")),
    "uuid": st.uuids().map(str),
    "quoted": st.text("abcxyz019 ;=<>()é", max_size=20).map(lambda text: f"'{text}'"),
    "double": st.text("abcxyz019 ;=<>()'", max_size=20).map(lambda text: f'"{text}"'.replace("'", "")),
}
WORD = st.sampled_from(["select", "from", "gruß", "onerror=", "(pivot)", "login", "was", ";", "--", "||", "Union"])


@st.composite
def twins(draw):
    """Two payloads with the same words and other literals."""
    one, other = [], []
    for _ in range(draw(st.integers(1, 12))):
        if draw(st.booleans()):
            word = draw(WORD)
            one.append(word)
            other.append(word)
        else:
            kind = LITERALS[draw(st.sampled_from(sorted(LITERALS)))]
            one.append(draw(kind))
            other.append(draw(kind))
    return " ".join(one), " ".join(other)


def form(payload):
    return int(masking.keys([payload])[0]) & masking.FORM


def side(payload, seed):
    return int(sides.sides(masking.keys([payload]), 0.2, 0.3, 0.3, seed)[0])


@settings(deadline=None)
@given(twins(), st.integers(0, 2**32 - 1))
def test_a_payload_and_its_twin_are_always_on_one_side(pair, seed):
    assert side(pair[0], seed) == side(pair[1], seed)


@settings(deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_equal_normal_forms_have_equal_keys(one, other):
    for a, b in ((one, other), (one, one.upper()), (one, f" {one}\t"), (one, one.replace(" ", "\n  "))):
        if records.normal(a) == records.normal(b):
            assert masking.keys([a]) == masking.keys([b])


SMALL = st.text("""x'"`=1fg #.a""", max_size=14)


@settings(deadline=None)
@given(SMALL, SMALL)
def test_equal_masks_have_equal_forms(one, other):
    if masking.mask(one) == masking.mask(other):
        assert form(one) == form(other)


@settings(deadline=None)
@given(st.text("""x'"`=1fg #.a;é""", max_size=30), st.randoms(use_true_random=False))
def test_other_literals_in_the_same_mask_have_the_same_form(payload, chance):
    """What the mask leaves out is filled in with something else: the mask stays, and so does the form."""
    filled = re.sub("#", lambda _: str(chance.randrange(10**6)), masking.mask(payload))
    if masking.mask(filled) == masking.mask(payload):
        assert form(filled) == form(payload)


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=6))
def test_many_at_once_are_as_each_alone(payloads):
    assert masking.keys(payloads).tolist() == [int(masking.keys([payload])[0]) for payload in payloads]


LATIN = st.text("""x'"`=1fg #.a;éß\xa0\t""", max_size=120)


@settings(deadline=None)
@given(st.lists(LATIN | SMALL, min_size=1, max_size=6))
def test_quotes_of_many_at_once_are_those_of_each_by_itself(payloads):
    alone = masking._bare(payloads)
    assert (masking.keys(payloads) & np.uint64(masking.FORM)).tolist() == alone.tolist()


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ("login from 10.0.0.7", 3_082_770_511),
        ("x' or 'a'='a' --", 0),
        ('name="it is" and "b', 3_806_163_292),
        ('`id` gruß "ÀB" µ', 4_075_802_152),
        ("日本 'ab' x", 966_272_310),
        ("it's the users' and 'x' of today's run, say", 2_429_510_665),
    ],
)
def test_forms_stay_what_they_are(payload, wanted):
    """Another form is another side: a store exported once more would be split another way."""
    assert form(payload) == wanted


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ("GET /a?id=17 from 10.0.0.7", "get /a?id=# from #"),
        ("copy deadbeefcafe to 00:1b:44:11:3a:b7", "copy # to #"),
        ("name='it is \"x\"' or 1=1", "name='' or #=#"),
        ("a bad face was added", "a bad face was added"),
        ("", ""),
    ],
)
def test_what_a_mask_looks_like(payload, wanted):
    assert masking.mask(payload) == wanted


def test_injected_quotes_shift_no_twin_apart():
    assert form("x' or 'a'='a' --") == form("x' or 'zorro'='zorro' --")
    assert form("1' or 'm'='m") == form("7' or 'quux'='quux")
    assert form("it's what the users saw in the log of today's run") != form(
        "it's how other people went home last night"
    )


def test_different_words_have_different_forms():
    words = ("select union", "insert union", "pivot", "logon", "select union;", "größe", "grosse")
    assert len({form(word) for word in words}) == len(words)


def test_shares_are_what_was_asked_for():
    found = np.bincount(sides.sides(np.arange(200_000, dtype=np.uint64), 0.01, 0.1, 0.1, 1), minlength=4) / 200_000
    assert found == pytest.approx([0.99 * 0.8, 0.099, 0.099, 0.01], abs=0.003)
