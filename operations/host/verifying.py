"""What a long training needs of its host: inputs, disk, device, configuration, memory, and a step that is taken."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

import msgspec
import psutil

from operations.contract import Artefact, Context, Refusal
from operations.host.checking import nvidia
from operations.lines import one_line
from operations.model import configuration as configurations
from operations.model import exported
from operations.model.planning import arithmetic
from operations.model.planning.trial import Asked, Built, Loaded, Refused, Said, Stepped

if TYPE_CHECKING:
    from operations.host.preflight import Parameters

COMMAND = (sys.executable, "-P", "-m", "operations.model.planning.trial")
POLL = 0.2
NOT_TRIED = "no step was tried"
_S = TypeVar("_S", Loaded, Built, Stepped, Refused)
_decoder: msgspec.json.Decoder[Said] = msgspec.json.Decoder(Said)


class Verdicts:
    """Reports flags, and keeps why some are false."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.failing: list[str] = []

    def flag(self, name: str, fault: str, *, asked: bool = True) -> None:
        """True without a fault; a fault counts against the launch where it is ``asked``."""
        self.context.measure(name, not fault, reason=fault)
        if fault:
            self.context.log(f"{name}: {fault}", "warning")
            if asked:
                self.failing.append(f"{name}: {fault}")


def verify(context: Context, parameters: Parameters) -> None:
    """Checks all of it, whatever fails on the way."""
    verdicts = Verdicts(context)
    free = shutil.disk_usage(context.root).free
    memory = psutil.virtual_memory().available
    context.measure("disk", free / 1e9)
    data, data_fault = _input(context, parameters.dataset)
    data_fault = data_fault or _files(data)
    verdicts.flag("data", data_fault)
    base, model_fault = _input(context, parameters.model)
    path, fault = _input(context, parameters.configuration)
    asked, configuration_fault = (None, fault) if fault else _configuration(path, parameters)
    verdicts.flag("configuration", configuration_fault)
    if parameters.tokens is None:
        context.measure("tokens", None, reason="no pretokenised data was given")
    else:
        verdicts.flag("tokens", _input(context, parameters.tokens)[1])
    tried: list[Said] = []
    fault = model_fault or data_fault or (configuration_fault if asked is None else "")
    if not fault:
        question = Asked(model=str(base), train=str(data / exported.TRAINING), configuration=str(path))
        tried, fault = _trial(context, question, parameters.patience)
    loaded, built, stepped = _said(tried, Loaded), _said(tried, Built), _said(tried, Stepped)
    if not model_fault and loaded is None:
        model_fault = f"not loaded: {fault}"
    verdicts.flag("model", model_fault)
    _device(verdicts, loaded)
    _disk(verdicts, asked, built, free, fault)
    _memory(verdicts, asked, tried, memory, fault)
    finite = stepped is not None and stepped.loss is not None
    verdicts.flag("dry_run", "" if finite else fault or "its loss or gradient is not finite")
    loss, seconds = (stepped.loss, stepped.seconds) if stepped else (None, None)
    context.measure("dry_run_loss", loss, reason="" if finite else fault or "it is not finite")
    context.measure("step_seconds", seconds, reason="" if stepped else fault or NOT_TRIED)
    context.measure("ready", not verdicts.failing)
    context.measure("failing", "; ".join(verdicts.failing)[:2_000] or "none")


def _input(context: Context, artefact: Artefact) -> tuple[Path, str]:
    """Where it is, and what is wrong with it."""
    try:
        return context.input(artefact), ""
    except Refusal as refusal:
        return Path(artefact.path), one_line(str(refusal))


def _files(directory: Path) -> str:
    empty = [
        name for name in exported.FILES if not (directory / name).is_file() or not (directory / name).stat().st_size
    ]
    return f"no rows in {', '.join(empty)}" if empty else ""


def _configuration(path: Path, parameters: Parameters) -> tuple[configurations.Configuration | None, str]:
    """The configuration if it can be read, and why it is not one for this training."""
    try:
        found = configurations.read(path)
    except Refusal as refusal:
        return None, one_line(str(refusal))
    hyper = found.hyperparameters
    faults = [
        f"it is for another {what}: SHA-256 {said or 'not given'}"
        for what, said, given in (
            ("base model", found.model.sha256, parameters.model.sha256),
            ("data set", found.data.dataset_sha256, parameters.dataset.sha256),
        )
        if said != given
    ]
    if not hyper.max_steps:
        faults.append("it has no steps")
    elif hyper.warmup_steps >= hyper.max_steps:
        faults.append(f"its warm-up of {hyper.warmup_steps:,} steps leaves none of {hyper.max_steps:,}")
    return found, "; ".join(faults)


def _trial(context: Context, asked: Asked, patience: float) -> tuple[list[Said], str]:
    """What the process that takes two steps said, and why it said no more."""
    with context.output("trial.out").open("w+b") as out, context.output("trial.err").open("w+b") as err:
        process = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=out, stderr=err)
        assert process.stdin
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(msgspec.json.encode(asked))
        fault = _wait(context, process, patience)
        said, last = list(_lines(out)), _last(err)
    refused = _said(said, Refused)
    if fault or refused:
        return said, fault or (refused.reason if refused else "")
    if process.returncode < 0:
        return said, f"its process was ended by {signal.Signals(-process.returncode).name}"
    if process.returncode or _said(said, Stepped) is None:
        return said, last or f"its process ended with status {process.returncode}"
    return said, ""


def _wait(context: Context, process: subprocess.Popen[bytes], patience: float) -> str:
    until = time.monotonic() + patience
    while process.poll() is None:
        if context.stopping or time.monotonic() > until:
            process.kill()
            process.wait()
            if context.stopping:
                context.stopped("asked to end while a step was tried")
                return "asked to end"
            return f"it did not end within {patience:,.0f} s"
        time.sleep(POLL)
    return ""


def _lines(stream: IO[bytes]) -> Iterator[Said]:
    stream.seek(0)
    for line in stream:
        with contextlib.suppress(msgspec.DecodeError):
            yield _decoder.decode(line)


def _last(stream: IO[bytes]) -> str:
    stream.seek(0)
    lines = [line for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    return one_line(lines[-1]) if lines else ""


def _said(said: Sequence[Said], kind: type[_S]) -> _S | None:
    return next((one for one in said if isinstance(one, kind)), None)


def _device(verdicts: Verdicts, loaded: Loaded | None) -> None:
    beside = ", ".join(nvidia())
    if loaded is None:
        device, fault = f"not asked{f'; there is {beside}' if beside else ''}", "MLX was not asked"
    elif loaded.gpu:
        device, fault = loaded.device, ""
    else:
        fault = f"MLX computes on the CPU{f', although there is {beside}' if beside else ': it finds no GPU'}"
        device = f"{loaded.device}{f'; there is {beside}' if beside else ''}"
    verdicts.context.measure("device", device)
    verdicts.flag("gpu", fault, asked=False)


def _disk(
    verdicts: Verdicts, asked: configurations.Configuration | None, built: Built | None, free: int, fault: str
) -> None:
    """Whether the disk takes the checkpoints that are kept, the best, one being written, and the states."""
    context = verdicts.context
    if asked is None or built is None:
        for name in ("checkpoint_size", "disk_needed"):
            context.measure(name, None, reason=fault or NOT_TRIED)
        verdicts.flag("room", f"a checkpoint's size is not known: {fault or NOT_TRIED}")
        return
    needed = arithmetic.disk(asked, built.checkpoint, built.trained + built.optimizer)
    context.measure("checkpoint_size", built.checkpoint / 1e9)
    context.measure("disk_needed", needed / 1e9)
    verdicts.flag("room", "" if needed <= free else f"{needed / 1e9:,.3g} GB are needed, {free / 1e9:,.3g} are free")


def _memory(
    verdicts: Verdicts, asked: configurations.Configuration | None, tried: Sequence[Said], available: int, fault: str
) -> None:
    """By the training's shape, and as a step on the longest batch took it."""
    context = verdicts.context
    loaded, built, stepped = _said(tried, Loaded), _said(tried, Built), _said(tried, Stepped)
    free = available
    if loaded and loaded.limit:
        # A Mac's GPU shares the memory; another has its own.
        free = min(loaded.limit, available) if sys.platform == "darwin" else loaded.limit
    context.measure("memory_free", free / 1e9)
    estimate = _estimate(asked, loaded, built) if asked and loaded and built else None
    reason = fault or "the model does not tell its shape"
    context.measure("memory_estimate", None if estimate is None else estimate / 1e9, reason="" if estimate else reason)
    if stepped is None:
        context.measure("memory_peak", None, reason=fault or NOT_TRIED)
        verdicts.flag("memory", fault or NOT_TRIED)
        return
    context.measure("memory_peak", stepped.peak / 1e9)
    fits = stepped.peak <= free
    verdicts.flag("memory", "" if fits else f"{stepped.peak / 1e9:,.3g} GB were taken, {free / 1e9:,.3g} are free")


def _estimate(asked: configurations.Configuration, loaded: Loaded, built: Built) -> int | None:
    """Bytes of weights, gradients, optimizer's state and activations.

    Activations: Korthikanti et al. 2022, "Reducing Activation Recomputation in Large Transformer Models", eq. 1:
    s b h (34 + 5 a s / h) bytes a layer where a number takes two.
    """
    if not (loaded.layers and loaded.width and loaded.heads):
        return None
    long, rows = asked.model.length, asked.hyperparameters.batch_size
    layer = long * rows * loaded.width * (34 + 5 * loaded.heads * long / loaded.width)
    # A quantised model stores fewer bytes a weight than it computes with, which are two at least.
    bytes_each = max(2.0, min(4.0, loaded.size / loaded.weights))
    return int(built.size + built.trained + built.optimizer + loaded.layers * layer * bytes_each / 2)
