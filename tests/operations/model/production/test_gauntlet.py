"""The gauntlet with four real tiny models: counts against hand counts, what was seen, going on, refusals, a control."""

import hashlib
import json
import random
import shutil
import subprocess
from collections import Counter

import msgspec
import pytest

from operations.contract import Refusal
from operations.model.production.pipeline import SPECIALISTS


@pytest.fixture
def dataset(host, tools):
    """A data set without any of the gauntlet's payloads, masked or not."""
    for name, seed in (("training_8m", 21), ("validation_1m", 22), ("test_1m", 23)):
        some = [one | {"payload": f"{one['payload']} elsewhere"} for one in tools.patterns(40, seed)]
        tools.write(host.root / "dataset" / f"{name}.jsonl", some)
    return host.artefact(host.root / "dataset", "copy")


def results(host, told):
    return json.loads(host.path(host.made(told, "results")[None]).read_bytes())


def test_everything_is_counted_as_by_hand(host, deployed, dataset, given, tools):
    some = tools.patterns(200, 31)
    some[0]["family"] = some[1]["family"] = "ember"  # nobody can say that: [0] is benign, [1] an attack
    some[1]["anomaly"], some[1]["payload"] = "attack", some[1]["payload"].replace("auditor", "mara")
    benign = next(one for one in some[4:] if one["anomaly"] == "benign")
    benign["anomaly"], benign["severity"] = "attack", "low"  # overlooked
    attack = next(one for one in some[4:] if one["anomaly"] == "attack" and one is not benign)
    attack["anomaly"], attack["severity"] = "benign", "none"  # a false alarm
    gauntlet = given("gauntlet_100k.jsonl", some)
    told = host.run("model.gauntlet", **deployed, gauntlet=gauntlet, dataset=dataset, chunk=64)
    found = results(host, told)
    wrong = {one["id"]: one for one in found["failures"]}
    assert set(wrong) == {some[1]["id"], benign["id"], attack["id"]}
    assert (wrong[some[1]["id"]]["expected"]["family"], wrong[some[1]["id"]]["said"]["anomaly"]) == ("ember", "attack")
    accuracy = told.measures["accuracy"]
    assert (accuracy.value, accuracy.n, accuracy.count) == (0.985, 200, 197)
    assert (found["total"], found["correct"], told.value("samples")) == (200, 197, 200)
    truth = Counter(one["anomaly"] for one in some)
    for name, label in (("false_alarms", "benign"), ("overlooked", "attack")):
        assert (told.measures[name].n, told.measures[name].count) == (truth[label], 1)
        assert told.value(f"{name}_upper") > 100 / truth[label]
    classes = Counter(one["attack_type"] for one in some)
    missed = Counter(one["attack_type"] for one in wrong.values())
    by_class = {name: (n - missed[name]) / n for name, n in classes.items()}
    assert told.value("by_class") == pytest.approx(by_class)
    assert told.value("by_class_total") == classes
    assert told.value("macro_accuracy") == pytest.approx(sum(by_class.values()) / len(by_class))
    called = truth["attack"]  # one overlooked, one false alarm
    assert (told.measures["anomaly"].n, told.measures["anomaly"].count) == (200, 198)
    assert (told.measures["family"].n, told.measures["family"].count) == (called, called - 1)
    assert (told.measures["severity"].n, told.measures["severity"].count) == (called, called - 1)
    assert told.measures["evidence"].value == 1.0
    assert set(found["by_specialist"]) == {
        "Silent-Analyzer", "Threat-Profiler", "Evidence-Collector", "Alert-Generator"
    }  # fmt: skip
    path = host.path(gauntlet)
    assert told.value("digest") == hashlib.sha256(path.read_bytes()).hexdigest() == found["inputs"]["gauntlet"]
    printed = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout
    assert printed.split()[0] == told.value("digest")
    assert (told.value("seen"), told.value("seen_exactly")) == (0, 0)
    assert told.value("compared") == {"training_8m.jsonl": 40, "validation_1m.jsonl": 40, "test_1m.jsonl": 40}
    assert list(told.curve("accuracy")) == [64, 128, 192, 200]


def test_no_false_alarm_is_not_never(host, deployed, given, tools):
    stats = pytest.importorskip("scipy.stats")
    some = tools.patterns(80, 32)
    told = host.run("model.gauntlet", **deployed, gauntlet=given("g.jsonl", some))
    benign = sum(one["anomaly"] == "benign" for one in some)
    assert (told.measures["false_alarms"].count, told.measures["false_alarms"].n) == (0, benign)
    exact = stats.binomtest(0, benign, alternative="less").proportion_ci(0.95, method="exact").high
    assert told.value("false_alarms_upper") == pytest.approx(100 * exact)
    assert results(host, told)["false_alarms_upper"] == pytest.approx(100 * exact)
    for name in ("seen", "seen_exactly", "seen_by_set", "compared"):
        assert told.measures[name].value is None
        assert told.measures[name].reason == "no data set was given to compare with"
    attacks = [one for one in some if one["anomaly"] == "attack"]
    told = host.run("model.gauntlet", **deployed, gauntlet=given("a.jsonl", attacks))
    for name in ("false_alarms", "false_alarms_upper"):
        assert (told.measures[name].value, told.measures[name].reason) == (None, "no sample is benign")


def test_samples_seen_before_are_counted(host, ruled, dataset, given, tools):
    some = tools.patterns(20, 33)
    train, test = (
        [json.loads(line)["payload"] for line in (host.root / "dataset" / name).read_text().splitlines()]
        for name in ("training_8m.jsonl", "test_1m.jsonl")
    )
    some[0]["payload"] = train[7].upper().replace(" ", "  ")
    some[1]["payload"] = f"91{test[5]}"
    some[2]["payload"] = f"4{test[5]}"
    told = host.run("model.gauntlet", **ruled, gauntlet=given("g.jsonl", some), dataset=dataset)
    assert (told.value("seen"), told.value("seen_exactly")) == (3, 1)
    assert told.value("seen_by_set")["test_1m.jsonl"] >= 2
    assert told.value("samples") == 20
    assert "3 of 20 samples are in the data set (1 to the letter)" in told.logs


def test_a_run_that_was_stopped_goes_on_and_ends_alike(host, ruled, dataset, given, tools):
    some = tools.patterns(100, 34)
    some[70]["family"] = "ember"
    given_all = {**ruled, "gauntlet": given("g.jsonl", some), "dataset": dataset, "chunk": 16}
    whole = results(host, host.run("model.gauntlet", **given_all))
    first = host.run("model.gauntlet", stop_after=40, **given_all)
    assert first.finished.outcome == "stopped"
    assert first.finished.reason == "asked to end after 48 of 100 samples"
    (state,) = [one for step, one in host.made(first, "state", f"job-{host.count}").items() if step == 48]
    again = host.run("model.gauntlet", resume=[state], **given_all)
    assert list(again.curve("accuracy")) == [64, 80, 96, 100]
    found = results(host, again)
    assert {**found, "seconds": 0} == {**whole, "seconds": 0}
    other = tools.patterns(100, 35)
    with pytest.raises(Refusal, match="can't be gone on from exactly: gauntlet was"):
        host.run("model.gauntlet", resume=[state], **{**given_all, "gauntlet": given("h.jsonl", other)})


@pytest.mark.parametrize("side", ["anomaly", "severity"])
def test_wrong_labels_are_found_out(host, ruled, given, tools, side):
    some = tools.patterns(200, 36)
    labels = [one[side] for one in some]
    random.Random(1).shuffle(labels)
    told = host.run(
        "model.gauntlet",
        **ruled,
        gauntlet=given("g.jsonl", [{**one, side: label} for one, label in zip(some, labels, strict=True)]),
    )
    assert told.value("accuracy") < 0.94
    assert told.value(side) < 0.94


def test_bad_input_is_refused_by_name(host, ruled, deployed, dataset, given, tools):
    some = tools.patterns(8, 37)
    good = given("g.jsonl", some)
    bare = [{key: one[key] for key in ("id", "attack_type", "payload")} for one in some]
    for lines, message in (
        (bare, r"x.jsonl line 1 has no label: anomaly is empty"),
        ([{**some[0]}, {**some[1], "severity": ""}], "sample p37-1 has no severity; all four"),
        ([{**some[0], "anomaly": "odd"}], "is 'odd', neither benign nor attack"),
        ([], "x.jsonl has no samples"),
    ):
        with pytest.raises(Refusal, match=message):
            host.run("model.gauntlet", **ruled, gauntlet=given("x.jsonl", lines))
    with pytest.raises(Refusal, match="is no file of patterns"):
        host.run("model.gauntlet", **ruled, gauntlet=dataset)
    (host.root / "dataset" / "validation_1m.jsonl").unlink()
    partial = host.artefact(host.root / "dataset")
    with pytest.raises(Refusal, match=r"no validation\*.jsonl, so that nothing shows what was not seen"):
        host.run("model.gauntlet", **ruled, gauntlet=good, dataset=partial)
    tools.write(host.root / "dataset" / "validation_1m.jsonl", [{"id": "no payload"}])
    with pytest.raises(Refusal, match=r"validation_1m.jsonl line 1 has no payload"):
        host.run("model.gauntlet", **ruled, gauntlet=good, dataset=host.artefact(host.root / "dataset"))


def test_a_missing_or_mistaken_specialist_is_refused_by_name(host, deployed, given, tools):
    good = given("g.jsonl", tools.patterns(8, 38))
    with pytest.raises(Refusal, match="Threat-Profiler is to answer family alone, but evidence_collector answers evid"):
        host.run("model.gauntlet", **deployed | {"threat_profiler": deployed["evidence_collector"]}, gauntlet=good)
    shutil.rmtree(host.path(deployed["alert_generator"]))
    with pytest.raises(Refusal, match="Alert-Generator: input alert_generator of job given is not on this host"):
        host.run("model.gauntlet", **deployed, gauntlet=good)
    deployed.pop("alert_generator")
    with pytest.raises(msgspec.ValidationError, match="missing required field `alert_generator`"):
        host.run("model.gauntlet", **deployed, gauntlet=good)
    assert set(SPECIALISTS) - set(deployed) == {"alert_generator"}
