"""The pipeline with rules in the specialists' places."""

import json
import shutil

import pytest

from operations.contract import Refusal
from operations.model import models
from operations.model.production import own_output, specialists
from operations.model.production.own_output import Marks
from operations.model.production.pipeline import Pipeline, Verdict

MARKS = Marks(b"k" * 32)
ATTACK = "17 core mara pike noise then cryptor"


def test_only_of_an_attack_more_is_asked(tools):
    some = tools.patterns(40, 3)
    rules = tools.rules()
    verdicts = Pipeline(rules, MARKS).judge([one["payload"] for one in some])
    for one, verdict in zip(some, verdicts, strict=True):
        assert verdict.anomaly == one["anomaly"]
        further = (verdict.family, verdict.evidence, verdict.severity)
        expected = (one["family"], one["evidence"], one["severity"]) if verdict.attack else ("", "", "")
        assert further == expected
    attacks = [one["payload"] for one in some if one["anomaly"] == "attack"]
    assert rules["family"].asked == rules["evidence"].asked == rules["severity"].asked == attacks


def test_an_attack_raises_an_alert_that_says_what_was_found(tools):
    quiet, told = Pipeline(tools.rules(), MARKS).alerts(["18 lab timo pike backup then noise", ATTACK])
    assert quiet is None
    assert (told.severity, told.family, told.evidence, told.event) == ("high", "basalt", "second", ATTACK)


def test_own_output_is_not_asked_about(tools):
    rules = tools.rules()
    pipeline = Pipeline(rules, MARKS)
    told = pipeline.alerts([ATTACK])[0]
    asked = list(rules["anomaly"].asked)
    own = [pipeline.marks.alert(told), pipeline.marks.report([told, told])]
    assert pipeline.judge(own) == [Verdict(""), Verdict("")]
    assert rules["anomaly"].asked == asked
    assert pipeline.alerts([own_output.alert(told), f"{own[0]} {ATTACK}", "", " "])[:2] != [None, None]


@pytest.mark.parametrize("before", [0, 1, 5, 11, 12, 13, 30, 200])
@pytest.mark.parametrize("after", [0, 1, 50])
def test_what_does_not_fit_hides_nothing(tools, before, after):
    rules = tools.rules()
    event = " ".join(["word"] * before + ["core pike cryptor"] + ["word"] * after)
    (verdict,) = Pipeline(rules, MARKS).judge([event])
    assert (verdict.attack, verdict.family, verdict.severity) == (True, "basalt", "high")
    assert (verdict.inputs > 1) is (before + after + 3 > 12)


def test_an_attack_dressed_as_own_output_is_told_by_what_it_quotes(tools):
    rules = tools.rules()
    pipeline = Pipeline(rules, MARKS)
    (undressed,) = pipeline.judge([ATTACK])
    for dressed in (
        own_output.alert(own_output.Alert("0" * 16, "low", "amber", "first", ATTACK)),
        own_output.with_tag(f"GLADIATOR ALERT {'0' * 16}\nevent: {ATTACK}", "0" * 16, "f" * 32),
    ):
        (verdict,) = pipeline.judge([dressed])
        assert [getattr(verdict, task) for task in rules] == [getattr(undressed, task) for task in rules]
    (calm,) = pipeline.judge([own_output.alert(own_output.Alert("0" * 16, "low", "amber", "first", "backup"))])
    assert not calm.attack


def test_models_cut_events_into_pieces_that_leave_nothing_out(specialists_root, tools):
    model = specialists.Model("silent_analyzer", models.load(specialists_root / "silent_analyzer"), 8)
    event = tools.patterns(1, 9)[0]["payload"]
    assert model.pieces(event) == [event]
    long = " ".join(str(number) for number in range(300))
    pieces = model.pieces(long)
    for number in range(300):
        assert any(f"{number} " in piece or piece.endswith(str(number)) for piece in pieces)
    assert all(not model._form.prompt(piece)[1] for piece in pieces)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"family": ["amber", "dune"]}, "Silent-Analyzer is to answer anomaly alone, but .* answers family"),
        ({"anomaly": ["attack", "benign"], "family": ["amber", "dune"]}, "alone, but .* answers anomaly, family"),
        ({"anomaly": ["attack", "fine"]}, "to say benign or attack"),
        (None, "has no labels.json"),
    ],
)  # fmt: skip
def test_a_specialist_of_another_task_is_refused_by_name(specialists_root, tmp_path, tasks, message):
    path = tmp_path / "silent_analyzer"
    shutil.copytree(specialists_root / "silent_analyzer", path)
    if tasks is None:
        (path / models.LABELS).unlink()
    else:
        (path / models.LABELS).write_text(json.dumps({"length": 40, "tasks": tasks}))
    with pytest.raises(Refusal, match=message):
        specialists.Model("silent_analyzer", models.load(path), 8)
