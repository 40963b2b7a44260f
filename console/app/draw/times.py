"""Moments as people read them, to the minute: a screen on which nothing moves unless it changed."""

from __future__ import annotations

import datetime


def moment(text: str) -> datetime.datetime | None:
    """A journal's ISO 8601 time in UTC; None for an empty or foreign text."""
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(datetime.UTC) if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def clock(text: str) -> str:
    """``14:02``, or the text itself where it is no time."""
    found = moment(text)
    return text if found is None else f"{found:%H:%M}"


def stamp(text: str) -> str:
    """``2025-10-17 14:02``, or the text itself where it is no time."""
    found = moment(text)
    return text if found is None else f"{found:%Y-%m-%d %H:%M}"


def span(seconds: float) -> str:
    """``< 1 min``, ``41 min``, ``3 h 05``, ``4 d 2 h``."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return "< 1 min"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02}" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


def lasted(seconds: float) -> str:
    """How long something took that is over: below two minutes to the second, short ones to a tenth."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 120 else span(seconds)


def age(text: str, now: datetime.datetime) -> str:
    """How long ago, as `span` says it; "" where the text is no time."""
    found = moment(text)
    return "" if found is None else span(max(0.0, (now - found).total_seconds()))


def at(seconds: float) -> datetime.datetime:
    """Seconds since 1970 as a moment in UTC."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)
