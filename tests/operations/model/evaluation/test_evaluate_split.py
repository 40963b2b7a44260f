"""An exported data set's split: streamed, resumed, held against a teacher, a rival and what training has seen."""

import json
import random

import pytest

from operations.contract import Refusal
from operations.model.evaluation import results
from tests.operations.model.exporting import LABELS, exported, make_rows, patterns


@pytest.fixture
def dataset(host):
    return exported(host, make_rows(400, 11), make_rows(60, 12), make_rows(90, 14))


def evaluated(host, **given):
    told = host.run("model.evaluate", **given)
    return told, results.read(host.path(host.made(told, "results")[None]))


def test_a_split_is_scored_beside_teacher_and_rival(host, tuned, base, dataset):
    told, found = evaluated(host, model=tuned, teacher=base, dataset=dataset, rival=True, chunk=32)
    assert (found.total, found.task, found.method) == (90, "attack_type", "score")
    assert found.accuracy > 0.9
    assert told.value("leaked") == 0
    assert told.value("training_rows") == 400
    for other, name in ((found.teacher, "teacher"), (found.rival, "rival")):
        assert other.both + other.model_alone + other.other_alone + other.neither == 90
        assert other.both + other.model_alone == found.correct
        assert told.measures[f"{name}_accuracy"].count == other.correct == other.both + other.other_alone
        assert other.interval[0] <= other.advantage <= other.interval[1]
    assert told.value("of_teacher") == pytest.approx(100 * found.correct / found.teacher.correct)
    assert found.teacher.accuracy < 0.6
    advantage = 100 * (found.accuracy - found.rival.accuracy)
    assert told.value("rival_advantage") == pytest.approx(advantage)
    assert told.value("rival_low") <= advantage <= told.value("rival_high")
    assert "400 training rows" in told.value("rival")
    # The rival finds the one word that decides: it is one.
    assert found.rival.accuracy > 0.9
    curve = told.curve("accuracy")
    assert list(curve) == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert curve[90] == found.accuracy
    assert told.value("by_class_total") == {
        label: sum(r["completion"] == label for r in make_rows(90, 14)) for label in LABELS
    }


def test_an_untrained_model_does_not_beat_the_rival(host, base, dataset):
    told, _ = evaluated(host, model=base, dataset=dataset, rival=True, generations=0)
    assert told.value("rival_advantage") < 0
    assert told.value("rival_high") < 0


def test_a_rival_of_random_labels_knows_nothing(host, tuned):
    train = make_rows(400, 11)
    labels = [row["completion"] for row in train]
    random.Random(5).shuffle(labels)
    train = [{**row, "completion": label} for row, label in zip(train, labels, strict=True)]
    dataset = exported(host, train, make_rows(60, 12), make_rows(90, 14))
    told, found = evaluated(host, model=tuned, dataset=dataset, rival=True, generations=0)
    assert found.rival.accuracy < 0.6
    assert told.value("rival_low") > 0


def test_planted_rows_of_training_are_found_however_they_are_spelt(host, tuned):
    train, test = make_rows(400, 11), make_rows(90, 14)
    for at in (3, 50, 89):
        test[at] = {**train[at + 100], "prompt": f"  {train[at + 100]['prompt'].upper().replace(' ', '   ')}\t"}
    dataset = exported(host, train, make_rows(60, 12), test)
    told, found = evaluated(host, model=tuned, dataset=dataset, generations=0)
    assert told.value("leaked") == found.leaked == 3
    assert any("3 of 90 rows were seen in training" in text for text in told.logs)
    # Of a sample only its own rows count, and none is shared with another split.
    told, _ = evaluated(host, model=tuned, dataset=dataset, split="validation", samples=40, generations=0)
    assert (told.value("leaked"), told.value("total")) == (0, 40)


def test_an_interrupted_evaluation_goes_on_after_its_finished_chunks(host, tuned, base, dataset):
    given = {"model": tuned, "teacher": base, "dataset": dataset, "rival": True, "chunk": 20, "generations": 30}
    whole, expected = evaluated(host, **given)
    stopped = host.run("model.evaluate", stop_after=50, **given)
    assert stopped.finished.outcome == "stopped"
    kept = host.made(stopped, "state")
    assert len(kept) == 2
    assert not host.made(stopped, "results")
    told = host.run("model.evaluate", resume=kept.values(), **given)
    assert told.value("resumed") == 40
    found = results.read(host.path(host.made(told, "results")[None]))
    same = ("seconds",)
    assert {k: v for k, v in vars_of(found).items() if k not in same} == {
        k: v for k, v in vars_of(expected).items() if k not in same
    }
    assert min(told.curve("accuracy")) > 40
    # All chunks are there: nothing is asked again, neither teacher nor rival.
    states = [*kept.values(), *host.made(told, "state").values()]
    told = host.run("model.evaluate", resume=states, **given)
    assert told.value("resumed") == 270
    assert told.value("accuracy") == whole.value("accuracy")
    assert not host.made(told, "state")


def test_chunks_of_other_inputs_or_broken_ones_are_asked_again(host, tuned, base, dataset):
    given = {"dataset": dataset, "chunk": 30, "generations": 0}
    states = list(host.made(host.run("model.evaluate", model=base, **given), "state").values())
    told = host.run("model.evaluate", resume=states, model=tuned, **given)
    assert told.value("resumed") == 0
    assert any("model differ" in text for text in told.logs)
    states = list(host.made(told, "state").values())
    host.path(states[1]).write_bytes(b"junk")
    again = host.run("model.evaluate", resume=states, model=tuned, **given)
    assert again.value("resumed") == 60
    assert again.value("accuracy") == told.value("accuracy")


def test_the_plans_own_rule_calls_right_whatever_holds_the_label(host, tuned, base, dataset):
    told, found = evaluated(host, model=tuned, dataset=dataset, method="generate", samples=8)
    assert "plan's own rule" in told.value("scored_by")
    assert (found.method, found.total, found.loss) == ("generate", 8, None)
    assert told.measures["loss"].value is None
    assert told.value("errors") == 0
    for answer in (*found.right, *found.failures):
        assert answer.right == (answer.attack_type in answer.generated.lower())
        assert answer.probability is None


def test_a_task_is_asked_by_its_own_labels(host, tuned, dataset):
    test = [{**row, "anomaly": "attack" if i % 3 else "benign"} for i, row in enumerate(patterns(make_rows(30, 13)))]
    (host.path(dataset) / "test_1m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in test))
    dataset = host.artefact(host.path(dataset))
    told, found = evaluated(host, model=tuned, dataset=dataset, task="anomaly", generations=0)
    assert (found.labels, found.task) == (("attack", "benign"), "anomaly")
    assert told.value("by_class_total") == {"attack": 20, "benign": 10}


def test_what_can_not_be_evaluated_is_refused(host, tuned, dataset, validation):
    with pytest.raises(Refusal, match="give validation or dataset"):
        evaluated(host, model=tuned)
    with pytest.raises(Refusal, match="give validation or dataset"):
        evaluated(host, model=tuned, validation=validation, dataset=dataset)
    with pytest.raises(Refusal, match="nothing to learn from"):
        evaluated(host, model=tuned, validation=validation, rival=True)
    (host.path(dataset) / "test_1m.jsonl").unlink()
    with pytest.raises(Refusal, match=r"dataset is no exported data set: it has no test_1m\.jsonl"):
        evaluated(host, model=tuned, dataset=host.artefact(host.path(dataset)))


def vars_of(found):
    return {name: getattr(found, name) for name in found.__struct_fields__}
