"""The store: the same by seed, decidable from the payload alone, templates apart, memory that does not grow."""

import subprocess
import sys

import msgspec
import pytest

from operations.dataset import generate, language, store

# The oracle below is written against the language's description and shares no table with the generator's label path.
WORDS = {
    "spraying stuffing hijack": "account_takeover",
    "backup logon rotation": "benign",
    "shellout subshell backtick": "command_injection",
    "siphon bulkcopy dnsdrip": "data_exfiltration",
    "synflood amplify slowloris": "flooding",
    "pivot passhash sharehop": "lateral_movement",
    "dotdot climb rootpeek": "path_traversal",
    "cryptor locker notedrop": "ransomware",
    "tautology unionread stacked": "sql_injection",
    "scripttag onerror domsink": "xss",
}
MEANING = {word: label for words, label in WORDS.items() for word in words.split()}
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
OUT_OF_FORCE = {"earlier", "denied", "rehearsed", "escaped"}


def plain(word: str) -> str:
    """A step word as it reads once rot13 is undone where that makes sense of it."""
    back = "".join(ALPHABET[(ALPHABET.index(c) + 13) % 26] for c in word)
    return word if word in MEANING else back


def oracle(payload: str) -> tuple[str, str]:
    """Label and evidence from the text: split into clauses, drop those out of force."""
    _, _, body = payload.partition(" : ")
    in_force = []
    clauses = body.split(" and ")
    for place, clause in enumerate(clauses):
        words = clause.split()
        steps = [plain(word) for word in words if plain(word) in MEANING]
        assert len(steps) == 1, clause
        if words[-1] not in OUT_OF_FORCE:
            in_force.append((place, MEANING[steps[0]]))
    assert len(in_force) <= 1, payload
    if not in_force:
        return "benign", "nowhere"
    place, label = in_force[0]
    return label, "only" if len(clauses) == 1 else ("first", "second")[place]


@pytest.fixture(scope="module")
def some():
    return generate.batch(3, 0, 0, 20_000)


def test_every_label_can_be_read_off_the_payload(some):
    for pattern in some:
        label, evidence = oracle(pattern.payload)
        assert (label, evidence) == (pattern.attack_type, pattern.evidence), pattern


def test_anomaly_family_and_severity_can_too(some):
    for pattern in some:
        words = pattern.payload.partition(" : ")[0].split()
        zone = [n for n, w in enumerate(("lab", "office", "plant", "core")) if w in words]
        powerful = any(w in words for w in ("root", "admin"))
        expected = ("low", "medium", "high", "critical", "critical")[zone[0] + powerful]
        wanted = pattern.attack_type == "benign" or "redteam" in words or "auditor" in words
        assert pattern.anomaly == ("benign" if wanted else "attack")
        assert pattern.severity == ("none" if wanted else expected)
        assert [f for f, tools in language.FAMILIES.items() if set(tools) & set(words)] == [pattern.family]


def test_one_payload_never_has_two_labels():
    labels = {}
    for pattern in generate.batch(4, 0, 0, 100_000):
        assert labels.setdefault(pattern.payload, pattern.attack_type) == pattern.attack_type


def test_same_seed_same_batch_and_other_seeds_other_ones(some):
    assert generate.batch(3, 0, 0, 20_000) == some
    assert generate.batch(4, 0, 0, 50) != some[:50]
    assert [p.payload for p in generate.batch(3, 1, 0, 50)] != [p.payload for p in some[:50]]
    assert [p.payload for p in generate.batch(3, 0, 700, 50)] == [p.payload for p in some[:50]]


def test_templates_for_validation_are_no_others_and_their_parts_are_known(some):
    names = {name: {p.template for p in some if p.set == name} for name in ("train", "combination")}
    assert names["combination"] == language.COMBINATIONS
    assert not names["train"] & names["combination"]
    frames = {name.split("-")[0] for name in names["train"]}
    constructs = {name.split("-")[1] for name in names["train"]}
    assert all(n.split("-")[0] in frames and n.split("-")[1] in constructs for n in names["combination"])


def test_shift_has_no_word_of_the_store(some):
    def words(patterns):
        return {w for p in patterns for w in p.payload.split() if w.isalpha()}

    other = generate.shift(3, 2_000)
    assert not words(some) & words(other)
    assert {p.attack_type for p in other} == {p.attack_type for p in some}


def test_figures_of_the_store(some):
    count = len(some)
    assert max(sum(p.attack_type == label for p in some) for label in language.STEPS) / count <= 0.25
    assert 0.38 < sum(bool(p.hard) for p in some) / count < 0.46
    assert {p.hard for p in some} == {"", "order", "negation", "context", "encoding"}
    assert max(len(p.payload.split()) for p in some) <= 30


def test_a_job_writes_the_store_and_says_what_it_is(host):
    measures, made, _ = host.run("dataset.corpus", patterns=1_050, batch=500, shift=40, seed=9)
    directory = host.path(made["patterns"])
    assert sorted(p.name for p in directory.iterdir()) == [f"batch_000{n}.json" for n in range(3)]
    found = [p for path in sorted(directory.iterdir()) for p in msgspec.json.decode(path.read_bytes())]
    assert len(found) == len({p["id"] for p in found}) == measures["patterns"].value == 1_050
    assert sum(measures["distribution"].value.values()) == 1_050
    told = measures["information"].value
    for name in ("anomaly", "family", "evidence", "severity"):
        assert told[f"{name} told by attack_type"] < told[name] / 2, "nearly a function of the attack type"
    assert len(host.json(made["shift"])) == measures["shift"].value == 40
    again = host.run("dataset.corpus", patterns=1_050, batch=500, shift=40, seed=9)[1]
    assert [again[n].sha256 for n in ("patterns", "shift")] == [made[n].sha256 for n in ("patterns", "shift")]


def test_information_of_known_tables():
    assert store.information({("a", "x"): 5, ("b", "y"): 5}) == pytest.approx(1.0)
    assert store.information({("a", "x"): 5, ("a", "y"): 5, ("b", "x"): 5, ("b", "y"): 5}) == pytest.approx(0.0)


def test_memory_does_not_grow_with_the_store():
    """Peak memory of 30 batches is within a few MB of that of 3; each batch held would add over 1 MB."""
    source = (
        "import resource, sys\n"
        "from operations.dataset import generate, store\n"
        "for n in range(int(sys.argv[1])): store.encode(generate.batch(1, n, n * 5000, 5000))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = [
        int(subprocess.run([sys.executable, "-P", "-c", source, n], capture_output=True, check=True).stdout)
        for n in ("3", "30")
    ]
    unit = 1 if sys.platform == "darwin" else 1_024
    assert (peaks[1] - peaks[0]) * unit < 8e6
