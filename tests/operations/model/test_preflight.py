"""Before a launch: everything in order, and each thing that is not, shown as not passed."""

import collections
import shutil
import sys

import msgspec
import pytest

from operations import registry
from operations.host import verifying
from operations.model import configuration as configurations

PLANNED = {
    "name": "tiny",
    "steps": 12,
    "warmup": 2,
    "batch": 8,
    "method": "full",
    "length": 48,
    "gpu": False,
    "mixed_precision": False,
}


@pytest.fixture
def configuration(host, base, dataset):
    told = host.run("model.plan_training", model=base, dataset=dataset, **PLANNED)
    return host.made(told, "configuration")[None]


@pytest.fixture
def fly(host, base, dataset, configuration):
    def fly(**more):
        return host.run("host.preflight", **{"model": base, "dataset": dataset, "configuration": configuration, **more})

    return fly


@pytest.fixture
def untried(monkeypatch):
    """The step is not tried: what is tested is seen without it."""
    monkeypatch.setattr(verifying, "_trial", lambda *_: ([], "not tried in this test"))


def test_all_is_in_order(fly, dataset):
    told = fly(tokens=dataset)
    for name in ("data", "model", "configuration", "tokens", "room", "memory", "dry_run", "ready"):
        assert told.value(name) is True, (name, told.logs)
    assert told.value("failing") == "none"
    assert told.value("disk") > 0
    assert told.value("memory_estimate") > 0
    assert 0.01 < told.value("memory_peak") < told.value("memory_free")
    assert told.value("dry_run_loss") > 0
    assert told.value("disk_needed") > 7 * told.value("checkpoint_size") > 0
    assert set(told.measures) == {m.name for m in registry.find("host.preflight").measures}


def test_no_gpu_is_named_with_its_reason_and_a_gpu_by_its_name(fly, monkeypatch):
    said = verifying.Loaded("CPU, BLAS x", False, 1, 1, 1, 1, 1, None)
    monkeypatch.setattr(verifying, "_trial", lambda *_: ([said], "enough for this test"))
    told = fly()
    assert (told.value("gpu"), told.value("device")) == (False, "CPU, BLAS x")
    assert "finds no GPU" in told.measures["gpu"].reason
    assert "gpu" not in told.value("failing"), "whether it must have one the plan says"
    monkeypatch.setattr(verifying, "nvidia", lambda: ["NVIDIA H100"])
    told = fly()
    assert "although there is NVIDIA H100" in told.measures["gpu"].reason
    said = verifying.Loaded("Apple M3 Ultra", True, 1, 1, 1, 1, 1, 400_000_000_000)
    monkeypatch.setattr(verifying, "_trial", lambda *_: ([said], "enough for this test"))
    told = fly()
    assert (told.value("gpu"), told.value("device")) == (True, "Apple M3 Ultra")


@pytest.mark.parametrize(("which", "name"), [("dataset", "data"), ("model", "model")])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_an_input_that_is_not_as_it_was_is_not_passed(host, fly, base, dataset, untried, which, name, how):
    path = host.path({"dataset": dataset, "model": base}[which])
    if how == "gone":
        shutil.rmtree(path)
    else:
        file = next(file for file in sorted(path.iterdir()) if file.suffix in (".jsonl", ".safetensors"))
        file.write_bytes(file.read_bytes()[:-1])
    told = fly()
    assert (told.value(name), told.value("ready")) == (False, False)
    assert ("is not on this host" if how == "gone" else "expected") in told.value("failing")


def test_a_data_set_with_an_empty_file_is_not_passed(host, fly, dataset, untried):
    (host.path(dataset) / "validation_1m.jsonl").write_bytes(b"")
    told = fly(dataset=host.artefact(host.path(dataset)))
    assert told.value("data") is False
    assert "no rows in validation_1m.jsonl" in told.value("failing")


def test_a_model_that_does_not_load_is_not_passed(host, fly, base):
    (host.path(base) / "config.json").write_text("{}")
    told = fly(model=host.artefact(host.path(base)))
    assert (told.value("model"), told.value("dry_run"), told.value("room")) == (False, False, False)
    assert "can't be loaded as a model" in told.value("failing")
    assert told.measures["memory_peak"].value is None


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("model", {"sha256": "0" * 64}, "for another base model"),
        ("data", {"dataset_sha256": "0" * 64}, "for another data set"),
        ("hyperparameters", {"max_steps": 0}, "it has no steps"),
        ("hyperparameters", {"warmup_steps": 12}, "leaves none of 12"),
    ],
)
def test_a_configuration_for_something_else_is_not_passed(host, fly, configuration, untried, section, values, said):
    found = configurations.read(host.path(configuration))
    changed = msgspec.structs.replace(getattr(found, section), **values)
    configurations.write_planned(host.root / "other.json", msgspec.structs.replace(found, **{section: changed}))
    told = fly(configuration=host.artefact(host.root / "other.json"))
    assert (told.value("configuration"), told.value("ready")) == (False, False)
    assert said in told.measures["configuration"].reason


def test_an_unknown_key_in_the_configuration_is_not_passed(host, fly, configuration, untried):
    path = host.path(configuration)
    path.write_text(path.read_text().replace('"num_epochs"', '"epochs"'))
    told = fly(configuration=host.artefact(path))
    assert told.value("configuration") is False
    assert "epochs" in told.value("failing")


def test_a_full_disk_and_too_little_memory_are_not_passed(fly, monkeypatch):
    usage = collections.namedtuple("usage", "total used free")
    monkeypatch.setattr(verifying.shutil, "disk_usage", lambda _: usage(10**6, 10**6, 1_000))
    memory = collections.namedtuple("memory", "available")
    monkeypatch.setattr(verifying.psutil, "virtual_memory", lambda: memory(1_000))
    told = fly()
    assert told.value("disk") == pytest.approx(1e-6)
    assert (told.value("room"), told.value("memory"), told.value("ready")) == (False, False, False)
    assert told.value("dry_run") is True
    assert "are needed" in told.value("failing")
    assert "were taken" in told.value("failing")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was ended by SIGKILL"),
        ("raise RuntimeError('out of memory')", "out of memory"),
        ("import sys; sys.exit(3)", "ended with status 3"),
        ("while True: pass", "did not end within"),
    ],
)
def test_a_step_that_ends_its_process_is_not_passed(fly, monkeypatch, program, said):
    monkeypatch.setattr(verifying, "COMMAND", (sys.executable, "-c", program))
    told = fly(patience=0.5)
    assert (told.value("dry_run"), told.value("memory"), told.value("model")) == (False, False, False)
    assert said in told.value("failing")


def test_a_loss_that_is_not_finite_is_not_passed(fly, monkeypatch):
    said = [
        verifying.Loaded("CPU", False, 1, 1, 1, 1, 1, None),
        verifying.Built(1, 1, 1, 1),
        verifying.Stepped(None, None, 0.1, 1),
    ]
    monkeypatch.setattr(verifying, "_trial", lambda *_: (said, ""))
    told = fly()
    assert (told.value("dry_run"), told.value("ready"), told.value("model")) == (False, False, True)
    assert told.measures["dry_run_loss"].value is None
