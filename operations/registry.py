"""The operations that exist, found by name without importing anything heavy."""

from __future__ import annotations

import functools
import importlib
import os

from operations.contract import Operation

NAMES = (
    "dataset.corpus",
    "dataset.export",
    "dataset.sample",
    "dataset.split",
    "dataset.verify",
    "host.check",
    "host.preflight",
    "host.shell",
    "model.analyse",
    "model.base",
    "model.baseline",
    "model.checkpoints",
    "model.compare",
    "model.configure",
    "model.distil",
    "model.evaluate",
    "model.feedback",
    "model.finalise",
    "model.finetune",
    "model.gauntlet",
    "model.health",
    "model.latency",
    "model.load",
    "model.observe",
    "model.package",
    "model.plan_training",
    "model.prepare",
    "model.quantise",
    "model.report",
    "model.soft_labels",
    "model.train",
    "model.validate",
    "network.airgap",
    "network.links",
    "network.throughput",
    "network.transfer",
)


EXTRA = "GLADIATOR_OPERATIONS"
"""Names, in the environment, one more module with a tuple ``OPERATIONS``; it adds names and can't replace any."""


def names() -> tuple[str, ...]:
    """The names of all operations there are."""
    return (*NAMES, *(name for name in _extra() if name not in NAMES))


@functools.cache
def find(name: str) -> Operation:
    """The operation of that name: ``OPERATION`` in the module ``operations.<name>``. Raises KeyError for another."""
    if name not in NAMES:
        return _extra()[name]
    operation = importlib.import_module(f"operations.{name}").OPERATION
    assert isinstance(operation, Operation)
    assert operation.name == name
    return operation


@functools.cache
def _extra() -> dict[str, Operation]:
    module = os.environ.get(EXTRA)
    if not module:
        return {}
    return {operation.name: operation for operation in importlib.import_module(module).OPERATIONS}
