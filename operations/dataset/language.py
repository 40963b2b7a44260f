"""The event language: classes, words and templates of the synthetic store.

An event tells of one or two steps, in words that name techniques, and a few fields of where and by whom. Its label is
the class of the step that is in force; where none is, the event is benign. What takes a step out of force is said right
after it, and gives the hard cases their kind:

* order: ``earlier``: the later step counts, whichever is told first;
* negation: ``denied``;
* context: ``rehearsed``;
* encoding: ``escaped``; and the step in force, or the other, is written in rot13.

What is in force may still be wanted: an event of an authorised user (``AUTHORISED``) shows its technique but is no
anomaly. So an event's anomaly doesn't follow from its class, and neither do family, evidence or severity.

So every label can be decided from the payload, and no hard one by looking for words. No event holds anything that
works: techniques are named, never spelt out.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass

BENIGN, ATTACK = "benign", "attack"

STEPS: dict[str, tuple[str, ...]] = {
    "account_takeover": ("spraying", "stuffing", "hijack"),
    BENIGN: ("backup", "logon", "rotation"),
    "command_injection": ("shellout", "subshell", "backtick"),
    "data_exfiltration": ("siphon", "bulkcopy", "dnsdrip"),
    "flooding": ("synflood", "amplify", "slowloris"),
    "lateral_movement": ("pivot", "passhash", "sharehop"),
    "path_traversal": ("dotdot", "climb", "rootpeek"),
    "ransomware": ("cryptor", "locker", "notedrop"),
    "sql_injection": ("tautology", "unionread", "stacked"),
    "xss": ("scripttag", "onerror", "domsink"),
}
"""Step words of each class; the first also occurs in rot13. First letters of the classes differ, so that a model's
tokens for them do."""
FREQUENCIES = (4, 3, 2)
"""How often a class's words occur, relative to each other."""
BENIGN_WEIGHT, ATTACK_WEIGHT = 20, 8
"""Relative frequency of benign and of each attack type: 20 of 92, and 8 of 92."""
HARD_PERCENT = 42
COMBINATION_PER_MILLE = 15
"""Share of templates kept for validation: 15 % of a validation set that is a tenth of the sample."""

ZONES = {"lab": 0, "office": 1, "plant": 2, "core": 3}
USERS = {"mara": 0, "timo": 0, "ines": 0, "otto": 0, "root": 1, "admin": 1, "redteam": 0, "auditor": 0}
AUTHORISED = frozenset({"redteam", "auditor", "hired tester"})
"""Users whose attacks were ordered: their events are benign, whatever technique is in force."""
FAMILIES = {
    "amber": ("wren", "lark"),
    "basalt": ("pike", "trout"),
    "cobalt": ("otter", "mink"),
    "dune": ("cedar", "maple"),
    "ember": ("flint", "slate"),
    "fjord": ("brook", "marsh"),
}
"""Tools by the family that uses them; a tool tells the family."""
SEVERITIES = ("low", "medium", "high", "critical", "critical")
"""By the zone's weight plus the user's; without an anomaly the severity is ``none``."""
NUMBERS = 1_000

FRAMES = {
    "a": "{number} {zone} {user} {tool} : {body}",
    "b": "{zone} {number} {user} {tool} : {body}",
    "c": "{user} {tool} {number} {zone} : {body}",
    "d": "{tool} {number} {user} {zone} : {body}",
    "e": "{zone} {user} {tool} {number} : {body}",
}


@dataclass(frozen=True, slots=True)
class Construct:
    """A body and what it means.

    ``{step}`` is the step in force, ``{other}`` one of another class, ``{coded}`` and ``{decoy}`` the like in rot13.
    ``evidence`` is where the step in force is told; ``nothing`` is true where none is, so that the event is benign.
    """

    kind: str
    body: str
    evidence: str
    nothing: bool = False


CONSTRUCTS = {
    "p1": Construct("plain", "{step} was run", "only"),
    "p2": Construct("plain", "only {step} was run", "only"),
    "p3": Construct("plain", "just {step}", "only"),
    "o1": Construct("order", "{other} was earlier and {step} was run", "second"),
    "o2": Construct("order", "{step} was run and {other} was earlier", "first"),
    "n1": Construct("negation", "{other} was denied and {step} was run", "second"),
    "n2": Construct("negation", "{step} was run and {other} was denied", "first"),
    "n3": Construct("negation", "only {other} was denied", "nowhere", nothing=True),
    "c1": Construct("context", "{other} was rehearsed and {step} was run", "second"),
    "c2": Construct("context", "{step} was run and {other} was rehearsed", "first"),
    "c3": Construct("context", "only {other} was rehearsed", "nowhere", nothing=True),
    "k1": Construct("encoding", "only {coded}", "only"),
    "k2": Construct("encoding", "{other} was escaped and {coded} was run", "second"),
    "k3": Construct("encoding", "{coded} was run and {other} was escaped", "first"),
    "k4": Construct("encoding", "{step} was run and {decoy} was escaped", "first"),
}
KINDS = ("order", "negation", "context", "encoding")
COMBINATIONS = frozenset(
    {"a-o2", "a-n1", "b-c1", "b-k3", "c-o1", "c-c2", "d-n1", "d-k2", "d-c1", "e-o2", "e-n2", "e-k4"}
)
"""Templates, each a frame with a construct, that no training row may have; training has every frame and construct."""


SHIFT_STEPS: dict[str, tuple[str, ...]] = {
    "account_takeover": ("guessed passwords", "lifted session cookies"),
    BENIGN: ("nightly snapshot", "scheduled patching"),
    "command_injection": ("smuggled interpreter call", "injected operating system instruction"),
    "data_exfiltration": ("records leaving unseen", "outbound archive of customer lists"),
    "flooding": ("request storm", "exhausted sockets"),
    "lateral_movement": ("hopping between machines", "reused ticket elsewhere"),
    "path_traversal": ("escape from webroot", "reading parent folders"),
    "ransomware": ("mass encryption", "extortion letter"),
    "sql_injection": ("tampered query", "always true condition"),
    "xss": ("planted markup", "hostile page fragment"),
}
SHIFT_FRAMES = {
    "x": "around {number} someone named {user} at station {zone} reported {body} with help of {tool}",
    "y": "station {zone} , watcher {number} : {body} ; suspect {user} , kit {tool}",
}
SHIFT_CONSTRUCTS = {
    "p": Construct("plain", "{step}", "only"),
    "o": Construct("order", "first {other} , finally {step}", "second"),
    "n": Construct("negation", "{step} while {other} failed", "first"),
    "c": Construct("context", "{other} as exercise , {step} for real", "second"),
    "k": Construct("encoding", "{other} merely quoted , {step} executed", "second"),
}
SHIFT_ZONES = {"garden": 0, "annex": 1, "mill": 2, "vault": 3}
SHIFT_USERS = {"quentin": 0, "yvette": 0, "superuser": 1, "hired tester": 0}
SHIFT_FAMILIES = {
    "amber": ("heron",),
    "basalt": ("salmon",),
    "cobalt": ("badger",),
    "dune": ("willow",),
    "ember": ("obsidian",),
    "fjord": ("lagoon",),
}


def rot13(word: str) -> str:
    """The word in rot13."""
    return codecs.encode(word, "rot13")
