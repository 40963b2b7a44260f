"""The plotting modules, loaded in a thread after the first frame."""

from __future__ import annotations

from types import SimpleNamespace


def load() -> SimpleNamespace:
    """``curve`` and ``plot``; takes a few tenths of a second, for numpy and plotext."""
    from console.app import curve, plot

    return SimpleNamespace(curve=curve, plot=plot)
