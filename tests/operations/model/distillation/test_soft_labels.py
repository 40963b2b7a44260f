"""Soft labels: what is kept is what the teacher says, of the sample it is kept for; stopped runs lose no chunk."""

import json
import shutil

import mlx.core as mx
import numpy as np
import pytest
from scipy.special import logsumexp

from operations.contract import Refusal
from operations.model import exported, models, prompts, rows, scoring
from operations.model.distillation import soft_store, teachers


def store(lab, told) -> soft_store.Store:
    return soft_store.Store(lab.host.path(lab.host.made(told, "soft_labels")[None]))


def train_rows(lab, task="family"):
    return rows.read(lab.host.path(lab.dataset) / exported.TRAINING, task)


def test_kept_logits_are_the_models_own_of_that_sample(lab):
    told = lab.soft_labels()
    found, loaded = store(lab, told), models.load(lab.host.path(lab.teacher))
    assert (told.value("samples"), told.value("labels")) == (160, 640)
    assert told.value("teacher") == found.index.teacher == lab.teacher.sha256
    assert found.ids.tolist() == [row.id.encode() for row in train_rows(lab)]
    for task in ("anomaly", "severity"):
        taught, known = found.task(task), found.index.tasks[task]
        form = prompts.format_for(loaded.tokenizer, 48, task)
        for number, row in list(enumerate(train_rows(lab, task)))[::40]:
            logits = np.array(loaded.model(mx.array([form.prompt(row.prompt)[0]]))[0, -1], np.float64)
            np.testing.assert_allclose(taught.logits[number, 0], logits[taught.tokens[number, 0]], atol=2e-3)
            assert taught.logsumexp[number, 0] == pytest.approx(logsumexp(logits), abs=2e-3)
            assert known.labels[taught.label[number]] == row.completion
            assert found.event(number) == form.encode(row.payload)


def test_accuracy_and_information_are_those_of_other_code(lab):
    told = lab.soft_labels()
    loaded = models.load(lab.host.path(lab.teacher))
    for task in ("family", "severity"):
        some = train_rows(lab, task)
        form = prompts.format_for(loaded.tokenizer, 48, task)
        scorer = scoring.Scorer(loaded.model, form, loaded.tasks[task])
        asked = [form.prompt(row.prompt)[0] for row in some]
        right = sum(
            scorer.labels[score.label] == some[score.index].completion
            for scores in scorer.score(asked, 64)
            for score in scores
        )
        assert told.measures[f"{task}_accuracy"].count == right
        assert told.measures[f"{task}_accuracy"].n == 160
    information = told.value("information")
    assert information["family"] == pytest.approx(np.log2(3), abs=0.05)
    assert information["family told by attack_type"] < 0.1
    assert all(0 <= share <= 1 for share in told.value("outside").values())


def test_labels_that_begin_alike_are_kept_at_each_place_where_they_part(lab):
    path = lab.host.path(lab.teacher)
    described = json.loads((path / models.LABELS).read_text())
    labels = ["sql_injection", "sql_probe", "xss"]
    (path / models.LABELS).write_text(json.dumps({**described, "tasks": {"family": labels}}))
    loaded = models.load(path)
    teacher = teachers.Teacher(loaded, "family", 48, 64)
    assert teacher.places == 2
    events = [teacher.form.encode("north am1"), teacher.form.encode("south red am2 west")]
    ((chosen, taught),) = teacher.ask(events, np.array([1, 2], np.int32), 8)
    for number, row in enumerate(chosen):
        prompt, answer = teacher.form.around(events[row])[0], teacher.answers[taught.label[number]]
        for at, place in enumerate(teacher.paths[taught.label[number]]):
            logits = np.array(loaded.model(mx.array([[*prompt, *answer[: place.prefix]]]))[0, -1], np.float64)
            there = taught.tokens[number, at] >= 0
            assert set(taught.tokens[number, at][there]) == set(place.next)
            np.testing.assert_allclose(
                taught.logits[number, at][there], logits[taught.tokens[number, at][there]], atol=2e-3
            )
    short = next(number for number, label in enumerate(taught.label) if label == 2)
    assert (taught.tokens[short, 1] == soft_store.NOTHING).all()


def test_no_more_tokens_are_kept_than_asked_for_and_the_tail_holds_the_rest(lab):
    whole, few = store(lab, lab.soft_labels()).task("family"), store(lab, lab.soft_labels(top=2)).task("family")
    assert few.logits.shape == (160, 1, 2)
    np.testing.assert_array_equal(np.sort(few.logits[:, 0]), np.sort(whole.logits[:, 0])[:, 1:])
    np.testing.assert_array_equal(few.logsumexp, whole.logsumexp)
    assert (teachers.outside(few) >= teachers.outside(whole) - 1e-6).all()


def test_a_stopped_run_keeps_its_chunks_and_ends_with_the_same_bytes(lab):
    alone = lab.soft_labels()
    done = 0
    original = teachers.Teacher.ask

    def counted(self, *args):
        nonlocal done
        for found in original(self, *args):
            done += 1
            yield found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teachers.Teacher, "ask", counted)
        with pytest.MonkeyPatch.context() as stop:
            stop.setattr("operations.context.JobContext.stopping", property(lambda _: done > 20))
            first = lab.soft_labels()
        assert first.finished.outcome == "stopped"
        chunks = lab.host.made(first, "chunk")
        assert 0 < len(chunks) < 4
        before = done
        second = lab.soft_labels(resume=chunks.values())
    assert second.value("resumed") == len(chunks)
    assert done - before == 4 * (2 * (3 - len(chunks)) + 1)
    mine, theirs = (lab.host.made(told, "soft_labels")[None].sha256 for told in (second, alone))
    assert mine == theirs


def test_broken_chunk_is_made_again_and_one_of_other_soft_labels_refused(lab):
    alone = lab.soft_labels()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "operations.model.distillation.soft_store.assemble", lambda *_: (_ for _ in ()).throw(Refusal("no room"))
        )
        with pytest.raises(Refusal, match="no room"):
            lab.soft_labels()
    chunks = list(lab.host.made(lab.last(), "chunk").values())
    assert len(chunks) == 4
    with pytest.raises(Refusal, match="top was 64, is 3"):
        lab.soft_labels(top=3, resume=chunks)
    path = lab.host.path(chunks[2])
    path.write_bytes(path.read_bytes()[:200])
    told = lab.soft_labels(resume=chunks)
    assert told.value("resumed") == 3
    assert any("chunk-000002.npz is not used" in text for text in told.logs)
    assert lab.host.made(told, "soft_labels")[None].sha256 == lab.host.made(alone, "soft_labels")[None].sha256


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"family": "umber"}, "sample s00003: the teacher knows no family 'umber'"),
        ({"severity": ""}, "sample s00003: the teacher is asked for severity, which has no label"),
        ({"id": ""}, "sample 4 of training_8m.jsonl has no id"),
        ({"id": "s00002"}, "sample s00002 stands in training_8m.jsonl more than once"),
    ],
)
def test_samples_that_can_not_be_labelled_are_named(lab, changed, named):
    path = lab.host.path(lab.dataset) / exported.TRAINING
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[3] |= changed
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(Refusal, match=named):
        lab.soft_labels(dataset=lab.host.artefact(lab.host.root / "dataset"))


def test_a_teacher_that_never_learnt_the_task_is_refused(lab):
    path = lab.host.path(lab.teacher)
    described = json.loads((path / models.LABELS).read_text())
    del described["tasks"]["severity"]
    (path / models.LABELS).write_text(json.dumps(described))
    with pytest.raises(Refusal, match=r"not trained on severity; labels\.json of it names anomaly, family, evidence"):
        lab.soft_labels(teacher=lab.host.artefact(path))


def test_a_dataset_without_its_training_file_is_refused(lab):
    shutil.move(lab.host.root / "dataset" / exported.TRAINING, lab.host.root / "elsewhere")
    with pytest.raises(Refusal, match=r"dataset is no exported data set: it has no training_8m\.jsonl"):
        lab.soft_labels(dataset=lab.host.artefact(lab.host.root / "dataset"))


def test_a_store_that_is_not_whole_says_so(lab):
    path = lab.host.path(lab.soft)
    (path / "family-logits.npy").unlink()
    found = soft_store.Store(path)
    with pytest.raises(Refusal, match=r"family-logits\.npy can't be read"):
        found.task("family")
    with pytest.raises(Refusal, match="no soft labels for attack_type; it has anomaly, family, evidence, severity"):
        found.task("attack_type")
    (path / soft_store.INDEX).write_text("{}")
    with pytest.raises(Refusal, match="holds no soft labels"):
        soft_store.Store(path)
