"""Four bits are found in the written file; what they cost is counted in pairs; what is served is what is timed."""

import json
import shutil

import mlx.core as mx
import mlx_lm
import numpy as np
import pytest
from safetensors.numpy import load_file

from operations.contract import Refusal
from operations.model import models
from operations.model.distillation import quantising, timing
from operations.model.production import pipeline


def quantise(lab, task="family", **changed):
    given = {"model": lab.host.artefact(lab.host.root / f"student-{task}"), "dataset": lab.dataset, "samples": 300}
    return lab.host.run("model.quantise", **{**given, **changed})


def model_of(lab, told):
    return lab.host.made(told, "model")[None]


def test_the_written_file_is_in_4_bits_and_mlx_lm_loads_it(students):
    told = quantise(students)
    path = students.host.path(model_of(students, told))
    assert (told.value("bits"), told.value("group"), told.value("equal")) == (4, 32, True)
    assert told.value("accuracy_before") > 0.94
    assert told.measures["accuracy"].n == told.measures["accuracy_before"].n == 300
    lost = told.measures["accuracy_before"].count - told.measures["accuracy"].count
    assert told.value("lost") == pytest.approx(100 * lost / 300)
    assert told.value("broken") - told.value("mended") == lost
    assert told.value("size") < told.value("size_before") / 3
    arrays = load_file(path / "model.safetensors")
    packed = [name for name, array in arrays.items() if array.ndim == 2 and name.endswith("weight")]
    assert packed
    assert all(arrays[name].dtype == np.uint32 for name in packed)
    model, _ = mlx_lm.load(str(path))
    assert all(m.bits == 4 for _, m in model.named_modules() if hasattr(m, "bits"))
    assert dict(models.load(path).tasks) == {"family": ("amber", "cobalt", "dune")}


def test_bits_are_those_of_the_file_and_not_of_its_configuration(students):
    path = students.host.path(model_of(students, quantise(students, bits=8)))
    assert quantising.written_bits(path) == 8
    config = json.loads((path / "config.json").read_text())
    config["quantization"]["bits"] = 4
    (path / "config.json").write_text(json.dumps(config))
    assert quantising.written_bits(path) == 8
    assert quantising.written_bits(students.host.root / "student-family") == 0
    arrays = dict(mx.load(str(path / "model.safetensors")))
    arrays["model.norm_of.weight"] = mx.zeros((4, 4))
    mx.save_safetensors(str(path / "model.safetensors"), arrays)
    assert quantising.written_bits(path) == 0


def test_a_quantised_model_is_not_quantised_again(students):
    made = model_of(students, quantise(students))
    with pytest.raises(Refusal, match="model is quantised already, to 4 bits"):
        quantise(students, model=made)


def test_a_width_that_no_group_divides_is_refused(students):
    with pytest.raises(Refusal, match="groups of 64 do not divide the width of"):
        quantise(students, group=64)
    found = type("Module", (), {"weight": mx.zeros((4, 40)), "to_quantized": None})
    model = type("Model", (), {"named_modules": lambda _: [("a", found)]})
    with pytest.raises(Refusal, match="no group of 128, 64, 32 divides the layers' widths 40"):
        quantising.fitting(model())


def test_the_task_is_the_models_only_one_or_named(students):
    with pytest.raises(Refusal, match="student-family was not trained on severity"):
        students.host.run(
            "model.quantise", model=student(students, "family"), dataset=students.dataset, task="severity"
        )
    with pytest.raises(Refusal, match=r"teacher answers more or less than one task .*: name one"):
        quantise(students, model=students.teacher)


def student(lab, task):
    return lab.host.artefact(lab.host.root / f"student-{task}")


def latency(lab, model, **changed):
    given = {"model": model, "dataset": lab.dataset, "events": 500, "warm_up": 5}
    return lab.host.run("model.latency", **{**given, **changed})


def test_latency_is_of_the_packaged_model_as_it_is_served(students):
    made = quantise(students)
    told = latency(students, model_of(students, made))
    assert 0 < told.value("p50") <= told.value("p95") <= told.value("p99") <= told.value("slowest")
    assert (told.value("events"), told.value("warm_up"), told.value("stored_bits")) == (500, 5, 4)
    assert told.value("served") == "float32, made from the file's 4 bits at load: a CPU computes with no fewer"
    assert told.measures["accuracy"].n == 500
    assert told.value("accuracy") > 0.9
    tokens = told.value("tokens")
    assert tokens["least"] <= tokens["median"] <= tokens["most"] <= 48
    plain = latency(students, student(students, "family"))
    assert (plain.value("stored_bits"), plain.value("served")) == (0, "float32, as in the file")


def test_fewer_than_500_distinct_events_are_refused(students):
    with pytest.raises(Refusal, match="499 distinct events to ask: with fewer than 500"):
        latency(students, student(students, "family"), events=499)
    file = students.host.root / "dataset" / "test_1m.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:300]) * 3)
    with pytest.raises(Refusal, match="300 distinct events"):
        latency(students, student(students, "family"), dataset=students.host.artefact(students.host.root / "dataset"))


def test_percentiles_are_times_that_were_measured():
    times = [float(n) for n in range(1, 101)]
    assert [timing.percentile(times, p) for p in (50, 95, 99)] == [50, 95, 99]
    assert timing.percentile([*times, 1_000.0], 99) == 100


def test_four_specialists_are_four(students):
    names = pipeline.SPECIALISTS
    four = {name: student(students, task) for name, task in names.items()}
    told = students.host.run("model.compare", **four)
    assert (told.value("distinct"), told.value("own_task"), told.value("one_tokenizer")) == (4, 4, True)
    assert len({told.value(name) for name in names}) == 4
    assert told.value("bits") == dict.fromkeys(names, 0)
    twice = students.host.run("model.compare", **{**four, "alert_generator": four["silent_analyzer"]})
    assert (twice.value("distinct"), twice.value("own_task")) == (3, 3)
    assert any("alert_generator answers anomaly, its own is severity" in text for text in twice.logs)
    shutil.rmtree(students.host.root / "student-family")
    (students.host.root / "student-family").mkdir()
    with pytest.raises(Refusal, match="threat_profiler: student-family is no model"):
        students.host.run("model.compare", **{**four, "threat_profiler": student(students, "family")})
