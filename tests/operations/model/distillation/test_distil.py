"""Students: they learn from their teacher and stay small; controls fail; a stopped run goes on to the same bits."""

import contextlib
import json

import numpy as np
import pytest

from operations.contract import Refusal
from operations.model import exported, models, prompts, rows, scoring
from operations.model.distillation import soft_store


def test_a_student_learns_its_task_and_leaves_a_model_that_speaks(lab):
    told = lab.distil(beside_steps=50)
    assert told.value("accuracy") > 0.94
    assert told.value("macro_accuracy") > 0.94
    assert (told.value("loss_falls"), told.value("collapsed"), told.value("errors")) == (True, False, 0)
    assert told.value("final_loss") < told.value("initial_loss")
    assert told.value("share_of_teacher") < 25
    assert set(told.curve("val_accuracy")) == {50, 100, 150}
    assert told.value("hard_only_steps") == 50
    assert set(told.curve("hard_only_loss")) == set(range(1, 51))
    assert told.value("beside_accuracy") == told.curve("val_accuracy")[50]
    assert told.measures["hard_only_accuracy"].n == 60
    path = lab.host.path(lab.host.made(told, "model")[None])
    loaded, teacher = models.load(path), lab.host.path(lab.teacher)
    assert dict(loaded.tasks) == {"family": ("amber", "cobalt", "dune")}
    assert (path / "tokenizer.json").read_bytes() == (teacher / "tokenizer.json").read_bytes()
    assert models.weights_digest(models.weights_of(loaded.model)) == told.value("weights")
    share = models.count(loaded.model)[1] / models.count(models.load(teacher).model)[1]
    assert told.value("share_of_teacher") == pytest.approx(100 * share)
    some = rows.read(lab.host.path(lab.dataset) / exported.TEST, "family")[:20]
    form = prompts.format_for(loaded.tokenizer, 48, "family")
    said = scoring.generate(loaded.model, loaded.tokenizer, [form.prompt(row.prompt)[0] for row in some], 16)
    assert sum(text == row.completion for text, row in zip(said, some, strict=True)) >= 18


def test_a_stopped_student_goes_on_to_the_same_bits(lab):
    alone = lab.distil(steps=60, validate_every=30)
    first = lab.distil(steps=60, validate_every=30, stop_after=25)
    assert first.finished.outcome == "stopped"
    assert "model" not in {event.name for event in first.events if hasattr(event, "sha256")}
    second = lab.distil(steps=60, validate_every=30, resume=lab.host.made(first, "state").values())
    assert second.value("resumed_from") == 25
    assert {**first.curve(), **second.curve()} == alone.curve()
    assert second.value("weights") == alone.value("weights")
    mine, theirs = (lab.host.made(told, "model")[None].sha256 for told in (second, alone))
    assert mine == theirs
    with pytest.raises(Refusal, match=r"share was 0\.5, is 0\.0"):
        lab.distil(steps=60, validate_every=30, control="hard", resume=lab.host.made(first, "state").values())


def test_a_student_stopped_while_the_one_beside_it_learns_is_not_trained_again(lab):
    given = {"steps": 40, "validate_every": 20, "beside_steps": 10}
    alone, first = lab.distil(**given), lab.distil(**given, stop_after=40)
    assert first.finished.outcome == "stopped"
    assert not lab.host.made(first, "model")
    second = lab.distil(**given, resume=lab.host.made(first, "state").values())
    assert (second.value("resumed_from"), second.value("steps")) == (40, 40)
    assert not second.curve("loss")
    assert second.value("weights") == alone.value("weights")
    assert second.value("hard_only_accuracy") == alone.value("hard_only_accuracy")
    assert second.measures["beside_accuracy"].reason == "this attempt went on from a later step"


def test_student_of_the_hard_labels_alone_is_another_and_its_control_says_so(lab):
    soft, hard = lab.distil(steps=15), lab.distil(steps=15, control="hard")
    assert hard.value("control") == "hard"
    assert soft.value("control") == "no control"
    assert hard.value("weights") != soft.value("weights")
    assert "a control has none beside it" in hard.measures["hard_only_accuracy"].reason
    assert "beside_steps is 0" in soft.measures["hard_only_accuracy"].reason
    same = lab.distil(steps=15, share=0.0)
    assert same.value("weights") == hard.value("weights")


def test_student_of_shuffled_soft_labels_fails(lab):
    with contextlib.suppress(Refusal):
        lab.distil(control="shuffled", steps=100)
    told = lab.last()
    assert told.value("accuracy") < 0.75
    assert told.value("control") == "shuffled"


def test_a_student_larger_than_a_quarter_is_refused_with_both_figures(lab):
    with pytest.raises(Refusal, match=r"student is no small student: [\d,]+ weights .* are 8\d\.\d% of the teacher's"):
        lab.distil(layers=2, hidden=96)
    with pytest.raises(Refusal, match=r"at most 25\.0% is allowed"):
        lab.distil(times_layers=2)
    told = lab.distil(steps=4, times_layers=2, limit=0.5, validate_every=1_000)
    assert 25 < told.value("share_of_teacher") < 50
    assert lab.distil(steps=4, times_steps=3, validate_every=1_000).value("steps") == 12
    with pytest.raises(Refusal, match="no even number of dimensions a head"):
        lab.distil(heads=3)


@pytest.mark.parametrize("what", ["teacher", "dataset"])
def test_what_changed_under_its_soft_labels_is_refused(lab, what):
    path = lab.host.path(getattr(lab, what))
    (path / "note.txt").write_text("changed")
    changed = lab.host.artefact(path)
    with pytest.raises(Refusal, match=f"the {what} has changed under its soft labels: they are of SHA-256"):
        lab.distil(**{what: changed})


def test_a_student_with_one_answer_for_everything_has_collapsed_by_name(lab):
    with pytest.raises(Refusal, match=r"Threat-Profiler \(family\) has collapsed: it sa(id|ys) '\w+' to"):
        lab.distil(called="Threat-Profiler", learning_rate=1e-9, warmup=0, steps=40, validate_every=2)
    told = lab.last()
    assert (told.value("collapsed"), told.value("errors")) == (True, 1)
    assert not lab.host.made(told, "model")


def test_a_student_whose_loss_does_not_fall_has_collapsed(lab, monkeypatch):
    monkeypatch.setattr("operations.model.distillation.answering.Answers.one_answer", property(lambda _: ""))
    monkeypatch.setattr("operations.model.learning.losses.fifths", lambda _: (0.5, 0.6))
    with pytest.raises(Refusal, match=r"student \(family\) has collapsed: its loss does not fall"):
        lab.distil(steps=4)


def test_soft_labels_that_are_not_finite_end_it(lab):
    path = lab.host.path(lab.soft)
    broken = np.load(path / "family-logits.npy")
    broken[:] = np.nan
    np.save(path / "family-logits.npy", broken)
    with pytest.raises(Refusal, match=r"student \(family\): the loss is not finite .* at step 1"):
        lab.distil(soft_labels=lab.host.artefact(path))
    assert lab.last().value("errors") == 1


def test_validation_with_a_label_of_no_training_sample_is_refused(lab):
    path = lab.host.path(lab.dataset)
    file = path / exported.VALIDATION
    file.write_text(file.read_text().replace('"family": "dune"', '"family": "ember"'))
    dataset = lab.host.artefact(path)
    described = json.loads((lab.host.path(lab.soft) / soft_store.INDEX).read_text())
    described["dataset"] = dataset.sha256
    (lab.host.path(lab.soft) / soft_store.INDEX).write_text(json.dumps(described))
    with pytest.raises(Refusal, match="has a family that no training had: 'ember'"):
        lab.distil(dataset=dataset, soft_labels=lab.host.artefact(lab.host.path(lab.soft)))
