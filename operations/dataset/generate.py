"""Patterns by seed: the same seed and batch number give the same patterns, whatever was made before."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping

import msgspec

from operations.dataset import language
from operations.dataset.language import ATTACK, AUTHORISED, BENIGN, Construct

MADE_OF = 256
"""Random bits that a pattern is made of; it uses fewer than 80."""


class Pattern(msgspec.Struct, frozen=True):
    """One labelled event. ``hard`` is the kind of hard case, "" for a plain one; ``set`` is who may have its template:
    ``train`` (anyone), ``combination`` (validation only) or ``shift``."""

    id: str
    attack_type: str
    payload: str
    anomaly: str
    family: str
    evidence: str
    severity: str
    template: str
    set: str
    hard: str


class _Words:
    """A vocabulary, with what each draw needs looked up beforehand."""

    def __init__(
        self,
        steps: dict[str, tuple[str, ...]],
        zones: dict[str, int],
        users: dict[str, int],
        families: Mapping[str, tuple[str, ...]],
    ) -> None:
        self.steps = {
            label: tuple(w for word, f in zip(words, language.FREQUENCIES, strict=False) for w in [word] * f)
            for label, words in steps.items()
        }
        self.coded = {label: language.rot13(words[0]) for label, words in steps.items()}
        self.zones = tuple(zones.items())
        self.users = tuple(users.items())
        self.tools = tuple((tool, family) for family, tools in families.items() for tool in tools)


_Template = tuple[str, str, Construct]


def _templates(
    frames: dict[str, str], constructs: dict[str, Construct], *, benign: bool, kind: str = ""
) -> Iterator[_Template]:
    for frame, text in frames.items():
        for name, construct in constructs.items():
            # A benign event may be one in which nothing was in force; an attack never is.
            if kind in ("", construct.kind) and (benign or not construct.nothing):
                yield f"{frame}-{name}", text.replace("{body}", construct.body), construct


_WORDS = _Words(language.STEPS, language.ZONES, language.USERS, language.FAMILIES)
_SHIFT_WORDS = _Words(language.SHIFT_STEPS, language.SHIFT_ZONES, language.SHIFT_USERS, language.SHIFT_FAMILIES)
_LABELS = tuple(language.STEPS)
_WHEEL = tuple(
    label for label in _LABELS for _ in range(language.BENIGN_WEIGHT if label == BENIGN else language.ATTACK_WEIGHT)
)
_OTHERS = {label: tuple(other for other in _LABELS if other != label) for label in _LABELS}
_ATTACKS = _OTHERS[BENIGN]
_TRAIN = {
    (benign, kind): tuple(
        t
        for t in _templates(language.FRAMES, language.CONSTRUCTS, benign=benign, kind=kind)
        if t[0] not in language.COMBINATIONS
    )
    for benign in (False, True)
    for kind in ("plain", *language.KINDS)
}
_COMBINATION = {
    benign: tuple(
        t for t in _templates(language.FRAMES, language.CONSTRUCTS, benign=benign) if t[0] in language.COMBINATIONS
    )
    for benign in (False, True)
}
_SHIFT = {
    benign: tuple(_templates(language.SHIFT_FRAMES, language.SHIFT_CONSTRUCTS, benign=benign))
    for benign in (False, True)
}


def batch(seed: int, number: int, start: int, count: int) -> list[Pattern]:
    """``count`` patterns of batch ``number``, with ids from ``start``."""
    source = random.Random(f"{seed} batch {number}")  # noqa: S311 - made by seed, keeps no secret
    made = []
    for serial in range(start, start + count):
        bits = source.getrandbits(MADE_OF)
        bits, at = divmod(bits, len(_WHEEL))
        label = _WHEEL[at]
        bits, at = divmod(bits, 1_000)
        if at < language.COMBINATION_PER_MILLE:
            allowed, templates = "combination", _COMBINATION[label == BENIGN]
        else:
            bits, at = divmod(bits, 100)
            kind = "plain"
            if at < language.HARD_PERCENT:
                bits, at = divmod(bits, len(language.KINDS))
                kind = language.KINDS[at]
            allowed, templates = "train", _TRAIN[label == BENIGN, kind]
        made.append(_pattern(bits, serial, label, allowed, templates, _WORDS))
    return made


def shift(seed: int, count: int) -> list[Pattern]:
    """``count`` patterns in wording that no batch has a word of, numbers and punctuation aside."""
    source = random.Random(f"{seed} shift")  # noqa: S311 - made by seed, keeps no secret
    made = []
    for serial in range(count):
        bits, at = divmod(source.getrandbits(MADE_OF), len(_WHEEL))
        label = _WHEEL[at]
        made.append(_pattern(bits, serial, label, "shift", _SHIFT[label == BENIGN], _SHIFT_WORDS))
    return made


def _pattern(
    bits: int, serial: int, label: str, allowed: str, templates: tuple[_Template, ...], words: _Words
) -> Pattern:
    """The pattern that the random bits stand for."""
    bits, at = divmod(bits, len(templates))
    template, text, construct = templates[at]
    others = _ATTACKS if construct.nothing else _OTHERS[label]
    bits, at = divmod(bits, len(others))
    other = others[at]
    bits, at = divmod(bits, len(words.steps[label]))
    step = words.steps[label][at]
    bits, at = divmod(bits, len(words.steps[other]))
    against = words.steps[other][at]
    bits, at = divmod(bits, len(words.zones))
    zone, weight = words.zones[at]
    bits, at = divmod(bits, len(words.users))
    user, privilege = words.users[at]
    bits, at = divmod(bits, len(words.tools))
    tool, family = words.tools[at]
    wanted = label == BENIGN or user in AUTHORISED
    payload = text.format(
        step=step,
        other=against,
        coded=words.coded[label],
        decoy=words.coded[other],
        zone=zone,
        user=user,
        tool=tool,
        number=bits % language.NUMBERS,
    )
    return Pattern(
        id=f"{template}-{serial:08d}",
        attack_type=label,
        payload=payload,
        anomaly=BENIGN if wanted else ATTACK,
        family=family,
        evidence=construct.evidence,
        severity="none" if wanted else language.SEVERITIES[weight + privilege],
        template=template,
        set=allowed,
        hard="" if construct.kind == "plain" else construct.kind,
    )
