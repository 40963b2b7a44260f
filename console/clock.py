"""The console's clock: every moment that it writes or compares is read here, so that a test can set it."""

from __future__ import annotations

import datetime


def now() -> datetime.datetime:
    """This moment, UTC."""
    return datetime.datetime.now(datetime.UTC)


def today() -> datetime.date:
    """The day, UTC."""
    return now().date()
