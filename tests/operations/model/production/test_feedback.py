"""The self-attack check: what is deployed passes, either planted fault is found out, and nothing tested is no pass."""

import json

import msgspec
import pytest

from operations.contract import Refusal
from operations.model.production import controls, dressing, echo, own_output, specialists
from operations.model.production.own_output import Marks
from operations.model.production.pipeline import Pipeline

DRESSINGS = ("bare", "forged", "copied", "beside", "reported")


@pytest.fixture
def gauntlet(given, tools):
    return given("gauntlet_100k.jsonl", tools.patterns(400, 41))


def results(host, told):
    return json.loads(host.path(host.made(told, "results")[None]).read_bytes())


def check(host, four, gauntlet, **more):
    return host.run("model.feedback", **{**four, "gauntlet": gauntlet, "seeds": 300, **more})


def test_four_models_do_not_attack_themselves(host, deployed, gauntlet):
    stats = pytest.importorskip("scipy.stats")
    told = check(host, deployed, gauntlet)
    found = results(host, told)
    assert told.value("prevented") is found["prevented"] is True
    alerts = told.measures["alert_rate"].count
    assert told.measures["alert_rate"].n == told.value("seeds") == 300
    assert told.value("by_round") == {"round 0": alerts, "round 1": 0}
    assert sum(told.value("by_class").values()) == alerts > 100
    assert told.value("by_class")["xss"] > 0
    assert told.value("by_class")["benign"] == 0
    assert told.value("fed") == alerts + -(-alerts // 5)
    assert (told.value("reproduction"), told.value("longest"), told.value("chains_end")) == (0, 0, True)
    assert told.value("reproduction_upper") == pytest.approx(stats.chi2.ppf(0.95, 2) / 2 / alerts)
    attacks = told.measures["undressed"].n
    for name in DRESSINGS:
        assert (told.measures[name].n, told.measures[name].count) == (attacks, found["dressed"][name]["found"])
        assert found["dressed"][name]["lost"] == 0
        assert told.measures[name].count == told.measures["undressed"].count or name == "reported"
    exact = stats.binomtest(0, told.measures["undressed"].count, alternative="less").proportion_ci(0.95, "exact").high
    assert told.value("lost_upper") == pytest.approx(100 * exact)
    assert told.value("found_as_often") is True
    assert told.value("stripped") >= 1, "without its mark own output is judged by what it quotes, and that is an attack"
    assert told.value("control") == "as deployed"
    assert (told.measures["benign_dressed"].n, told.measures["benign_dressed"].count) == (300 - attacks, 0)


def test_the_key_is_in_no_file(host, ruled, gauntlet, monkeypatch):
    keys = []
    made = controls.pipeline
    monkeypatch.setattr(controls, "pipeline", lambda four, key, control: keys.append(key) or made(four, key, control))
    for _ in range(2):
        check(host, ruled, gauntlet)
    assert len(set(keys)) == 2
    assert len(keys[0]) == 32
    for path in (host.root / "jobs").rglob("*"):
        if path.is_file():
            assert keys[0] not in path.read_bytes(), path
            assert keys[0].hex() not in path.read_text(errors="replace"), path


@pytest.mark.parametrize("four", ["ruled", "deployed"])
def test_a_planted_loop_is_found_out(host, gauntlet, request, four):
    told = check(host, request.getfixturevalue(four), gauntlet, control="loop", rounds=3)
    assert told.value("control").startswith("NEGATIVE CONTROL: marks are ignored")
    assert told.value("prevented") is False
    assert told.value("chains_end") is False
    assert told.value("longest") == 3
    assert told.value("reproduction_upper") > told.value("reproduction") >= 1
    by_round = list(told.value("by_round").values())
    assert by_round == sorted(by_round)
    assert told.value("found_as_often") is True
    assert any("NOT prevented: do not deploy" in text for text in told.logs)
    assert any(e.level == "warning" and "NEGATIVE CONTROL" in e.text for e in told.events if hasattr(e, "level"))


@pytest.mark.parametrize("four", ["ruled", "deployed"])
def test_an_ingest_that_takes_any_mark_is_found_out(host, gauntlet, request, four):
    told = check(host, request.getfixturevalue(four), gauntlet, control="forged")
    assert told.value("control").startswith("NEGATIVE CONTROL: any mark")
    assert told.value("prevented") is False
    assert told.value("chains_end") is True
    assert told.value("reproduction") == 0
    found = told.measures["undressed"].count
    lost = told.value("lost")
    assert (lost["forged"], lost["copied"], lost["reported"]) == (found, found, found)
    assert told.measures["forged"].count == 0
    assert told.value("found_as_often") is False
    assert told.value("lost_upper") == 100


def test_no_alert_tests_nothing(host, ruled, given, tools, monkeypatch):
    quiet = given("quiet.jsonl", [one for one in tools.patterns(800, 42) if one["anomaly"] == "benign"])
    told = check(host, ruled, quiet)
    assert (told.measures["alert_rate"].count, told.value("by_round")) == (0, {"round 0": 0})
    for name in ("prevented", "reproduction", "reproduction_upper", "chains_end", "found_as_often", "stripped", "lost"):
        assert told.measures[name].value is None
        assert told.measures[name].reason == "no seed raised an alert, so that nothing was tested"
    assert results(host, told)["prevented"] is None
    assert any("was not tested" in text for text in told.logs)


def test_false_alarms_alone_do_not_test_the_dressing(host, ruled, given, tools, monkeypatch):
    four = {**tools.rules(), "anomaly": tools.Rule({"backup": "attack"}, "benign")}
    monkeypatch.setattr(specialists, "load", lambda *_: four)
    told = check(host, ruled, given("g.jsonl", tools.patterns(400, 43)))
    assert told.value("reproduction") == 0
    assert told.value("undressed") == 0
    for name in ("prevented", "found_as_often", "forged", "benign_dressed"):
        assert told.measures[name].value is None
        assert "no genuine attack among the seeds was found undressed" in told.measures[name].reason


def test_an_attack_that_a_dressing_hides_now_and_then_is_found_out(host, ruled, gauntlet, tools, monkeypatch):
    class Fooled(tools.Rule):
        def answer(self, texts):
            said = super().answer(texts)
            return [
                "benign" if "7 core" in text and self.seen(text) else label
                for text, label in zip(texts, said, strict=True)
            ]

        def seen(self, text):
            before = text in self.asked[: -len(text)]
            return before and "GLADIATOR" not in text and self.asked.count(text) > 1

    words = tools.rules()["anomaly"].words
    monkeypatch.setattr(specialists, "load", lambda *_: {**tools.rules(), "anomaly": Fooled(words, "benign")})
    told = check(host, ruled, gauntlet)
    assert 0 < max(told.value("lost").values()) < told.measures["undressed"].count / 4
    assert (told.value("found_as_often"), told.value("prevented")) == (False, False)


def test_seeds_are_of_every_type_and_always_the_same(host, ruled, given, tools):
    some = tools.patterns(400, 44)
    rare = [one | {"attack_type": "worm", "payload": f"{one['payload']} worm"} for one in some[:10]]
    gauntlet = given("g.jsonl", [*some, *rare])
    counts = [check(host, ruled, gauntlet, seed=seed).value("by_class") for seed in (1, 1, 2)]
    assert counts[0] == counts[1]
    assert set(counts[0]) == {*tools.TYPES, "worm"}


def test_too_few_seeds_are_refused(host, ruled, given, tools):
    few = given("few.jsonl", tools.patterns(299, 45))
    with pytest.raises(Refusal, match=r"few.jsonl has 299 samples; 300 seeds over all attack types are asked for"):
        check(host, ruled, few)
    with pytest.raises(msgspec.ValidationError, match=r"Expected `int` >= 300"):
        check(host, ruled, few, seeds=299)
    bare = [{key: one[key] for key in ("id", "payload", "attack_type")} for one in tools.patterns(300, 46)]
    with pytest.raises(Refusal, match="line 1 has no label: anomaly is empty"):
        check(host, ruled, given("bare.jsonl", bare))


def test_a_missing_specialist_is_refused_by_name(host, deployed, gauntlet):
    (host.path(deployed["silent_analyzer"]) / "config.json").write_text("{}")
    with pytest.raises(Refusal, match="Silent-Analyzer: input silent_analyzer is not what job given made"):
        check(host, deployed, gauntlet)


def test_a_chain_of_one_echo_ends_and_one_of_two_does_not():
    assert [echo.Echo(alerts, (9,) * (len(alerts) - 1)).longest for alerts in ((9,), (9, 0), (9, 3, 0), (9, 3, 1))] == [
        0, 0, 1, 2
    ]  # fmt: skip
    one = echo.Echo((100, 10, 0), (120, 12))
    assert (one.own, one.new, one.reproduction) == (110, 10, 10 / 110)
    assert echo.Echo((0,), ()).reproduction is None


def test_each_dressing_is_what_it_says(tools):
    pipeline = Pipeline(tools.rules(), Marks(b"k" * 32))
    payload = "12 core mara pike noise then cryptor"
    first = [told for told in pipeline.alerts([payload, f"3 {payload}"]) if told]
    ways = dressing.dressings(pipeline, first, ["4 lab timo wren backup then noise"])
    assert tuple(ways) == DRESSINGS
    for name, dress in ways.items():
        text = dress(payload)
        assert payload in text
        assert own_output.dressed(text)
        assert (pipeline.marks.strangers(text) == text) is (name != "beside")
        assert ("mark: " in text) is (name != "bare")
    for told in first:
        for _ in range(2):
            assert pipeline.marks.strangers(ways["copied"](told.event)), "under its own mark it would be genuine"
    tags = {pipeline.marks.alert(told)[-32:] for told in first}
    assert ways["copied"](payload)[-32:] in tags
    with pytest.raises(Refusal, match="none can be copied from"):
        dressing.dressings(pipeline, [], [])
