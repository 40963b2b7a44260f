"""The operations that exist, found by name without importing anything heavy."""

from __future__ import annotations

import functools
import importlib

from operations.contract import Operation

NAMES = (
    "dataset.corpus",
    "dataset.sample",
    "dataset.split",
    "model.analyse",
    "model.base",
    "model.baseline",
    "model.configure",
    "model.evaluate",
    "model.finetune",
    "model.load",
    "model.observe",
    "model.report",
    "network.transfer",
)


@functools.cache
def find(name: str) -> Operation:
    """The operation of that name: ``OPERATION`` in the module ``operations.<name>``. Raises KeyError for another."""
    if name not in NAMES:
        raise KeyError(name)
    operation = importlib.import_module(f"operations.{name}").OPERATION
    assert isinstance(operation, Operation) and operation.name == name
    return operation
