"""Operations without MLX, for tests of everything around an operation: they write, count, chain hashes and can fail."""

import hashlib
import json
import os
import shutil
import time
from typing import Annotated

import msgspec
from msgspec import Meta

from operations import job
from operations.contract import AMOUNT, Artefact, Kind, Measure, Observed, Operation, Output, Refusal
from operations.files import write_atomic


class MakeParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, Meta(description="what to write")] = "hello"
    lines: Annotated[int, Meta(ge=0, description="how often", extra=AMOUNT)] = 10
    fail: Annotated[str, Meta(description="refuse with these words")] = ""


def make(context, parameters: MakeParameters) -> None:
    if parameters.fail:
        raise Refusal(parameters.fail)
    path = context.output("data.txt")
    write_atomic(path, f"{parameters.text}\n".encode() * parameters.lines)
    context.measure("lines", parameters.lines)
    context.measure("said", parameters.text)
    context.artefact("data", path)


class CountParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    source: Annotated[Artefact, Meta(description="what to start the chain of hashes from")]
    steps: Annotated[int, Meta(ge=0, description="links of the chain", extra=AMOUNT)] = 100
    every: Annotated[int, Meta(ge=1, description="steps between two states")] = 10
    pause: Annotated[float, Meta(ge=0, description="seconds a step takes")] = 0.002


def count(context, parameters: CountParameters) -> None:
    """A chain of hashes: every step depends on all before, so that a lost or doubled step changes the end."""
    step, link = 0, hashlib.sha256(context.input(parameters.source).read_bytes()).hexdigest()
    states = [a for a in context.resume if a.name == "state"]
    if states:
        kept = json.loads(context.input(states[-1]).read_bytes())
        step, link = kept["step"], kept["link"]
        context.log(f"goes on from step {step}")
    while step < parameters.steps:
        if context.stopping:
            _keep(context, step, link)
            context.stopped(f"asked to at step {step}")
            return
        time.sleep(parameters.pause)  # the step's work
        step += 1
        link = hashlib.sha256(link.encode()).hexdigest()
        context.metric("link", int(link[:8], 16) / 2**32, step)
        context.metric("loss", 2 * 0.98**step, step)
        if step % parameters.every == 0:
            context.log(f"link {step} is {link[:8]}")
            _keep(context, step, link)
            context.progress(step, parameters.steps, "steps")
    path = context.output("chain.txt")
    write_atomic(path, link.encode())
    context.measure("steps", step)
    context.measure("link", link)
    context.artefact("chain", path)


def _keep(context, step: int, link: str) -> None:
    path = context.output(f"state-{step}.json")
    write_atomic(path, json.dumps({"step": step, "link": link}).encode())
    context.artefact("state", path, step=step)


class GradeParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chain: Annotated[Artefact, Meta(description="what to grade")]
    right: Annotated[int, Meta(ge=0, description="how many are right", extra=AMOUNT)] = 95
    n: Annotated[int, Meta(ge=1, description="of how many")] = 100
    speed: Annotated[float, Meta(description="a facility's figure")] = 1.0


def grade(context, parameters: GradeParameters) -> None:
    context.input(parameters.chain)
    context.measure("accuracy", parameters.right / parameters.n, n=parameters.n, count=parameters.right)
    context.measure("speed", parameters.speed)


class WatchParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    jobs: Annotated[Observed, Meta(description="the run to look at")]


def watch(context, parameters: WatchParameters) -> None:
    """Every tenth link, to the last event of the run's latest job."""
    directory = context.observed(parameters.jobs.jobs[-1])
    with (directory / job.EVENTS).open("rb") as stream:
        while not context.stopping:
            alive = job.state(directory) == "running"
            line = stream.readline()
            if not line.endswith(b"\n"):
                if not alive:
                    break
                stream.seek(-len(line), os.SEEK_CUR)
                time.sleep(0.01)  # the observed job writes at its own pace
                continue
            event = json.loads(line)
            if event["type"] == "metric" and event["step"] % 10 == 0:
                context.measure("seen", event["value"], step=event["step"])
    context.measure("attempts", len(parameters.jobs.jobs))


class TrainParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: Annotated[int, Meta(ge=1, description="steps", extra=AMOUNT)] = 60
    keep: Annotated[int, Meta(ge=1, description="last checkpoints that are kept")] = 5
    say: Annotated[str, Meta(description="a line of the log")] = "all is well: 0 errors"


def train(context, parameters: TrainParameters) -> None:
    """What a training leaves, without one: losses, a checkpoint every ten steps, the last ones kept."""
    settings = {
        "model": dict.fromkeys(("name", "path", "output_name", "output_path"), "x"),
        "data": dict.fromkeys(("train", "validation", "test"), "x"),
        "hyperparameters": {
            "learning_rate": 1.0, "batch_size": 1, "num_epochs": 1, "warmup_steps": 0, "max_steps": parameters.steps,
            "gradient_accumulation_steps": 1,
        },
        "checkpointing": {"save_every": 10, "checkpoint_dir": "x", "keep_last_n": parameters.keep},
        "monitoring": {"log_every": 1, "eval_every": 10, "tensorboard": False, "tensorboard_dir": "x"},
        "hardware": {"gpu": False, "mixed_precision": False, "distributed": False},
    }  # fmt: skip
    path = context.output("configuration.json")
    write_atomic(path, json.dumps(settings).encode())
    context.artefact("configuration", path)
    context.log(parameters.say)
    for step in range(1, parameters.steps + 1):
        context.metric("loss", 1 / step, step)
        context.progress(step, parameters.steps, "steps")
        if step % 10 == 0:
            directory = context.output(f"checkpoint-{step}")
            directory.mkdir()
            (directory / "weights").write_bytes(b"w" * step)
            context.artefact("checkpoint", directory, step=step)
            shutil.rmtree(context.output(f"checkpoint-{step - 10 * parameters.keep}"), ignore_errors=True)


class ModelParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seed: Annotated[int, Meta(ge=0, le=255, description="makes its weights its own")]
    task: Annotated[str, Meta(description="what it answers")] = "anomaly"
    right: Annotated[int, Meta(ge=0, le=500, description="right of 500", extra=AMOUNT)] = 480


def model(context, parameters: ModelParameters) -> None:
    """A model's directory of a few kB, and results of its evaluation."""
    path = context.output("model")
    path.mkdir()
    write_atomic(path / "config.json", b'{"model_type": "llama", "quantization": {"bits": 4}}')
    write_atomic(path / "model.safetensors", bytes([parameters.seed]) * 1_000)
    write_atomic(path / "tokenizer.json", b"{}")
    labels = {"length": 48, "tasks": {parameters.task: ["attack", "benign"]}}
    write_atomic(path / "labels.json", json.dumps(labels).encode())
    told = {"total": 500, "correct": parameters.right, "accuracy": parameters.right / 500}
    results = context.output("results.json")
    write_atomic(results, json.dumps(told).encode())
    context.measure("accuracy", parameters.right / 500, n=500, count=parameters.right)
    context.measure("speed", 1.0)
    context.artefact("model", path)
    context.artefact("results", results)


OPERATIONS = (
    Operation(
        "stub.train",
        "leave what a training leaves",
        TrainParameters,
        train,
        (),
        (
            Output("configuration", "in the plan's form"),
            Output("checkpoint", "weights", retention="rotates", directory=True, many=True),
        ),
        uses="accelerator",
    ),
    Operation(
        "stub.model",
        "make a model",
        ModelParameters,
        model,
        (Measure("accuracy", Kind.PROPORTION, "right ones"), Measure("speed", Kind.NUMBER, "a figure", "Gbit/s")),
        (Output("model", "the directory", directory=True), Output("results", "what evaluated it")),
    ),
    Operation(
        "stub.make",
        "write a file",
        MakeParameters,
        make,
        (Measure("lines", Kind.COUNT, "lines written"), Measure("said", Kind.TEXT, "the text")),
        (Output("data", "the file"),),
    ),
    Operation(
        "stub.count",
        "chain hashes",
        CountParameters,
        count,
        (Measure("steps", Kind.COUNT, "links"), Measure("link", Kind.DIGEST, "the last link")),
        (Output("chain", "the end"), Output("state", "to go on from", retention="rotates", many=True)),
        uses="accelerator",
        resumable=True,
    ),
    Operation(
        "stub.grade",
        "grade a chain",
        GradeParameters,
        grade,
        (Measure("accuracy", Kind.PROPORTION, "right ones"), Measure("speed", Kind.NUMBER, "a figure", "Gbit/s")),
    ),
    Operation(
        "stub.watch",
        "look at a run",
        WatchParameters,
        watch,
        (Measure("seen", Kind.NUMBER, "every tenth link", series=True), Measure("attempts", Kind.COUNT, "jobs")),
    ),
)
