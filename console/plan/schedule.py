"""When a plan's tasks are: offsets from the start that a workspace was given."""

from __future__ import annotations

import datetime

from console.plan.types import Plan


def zone(name: str) -> datetime.tzinfo:
    """The time zone of that name; UTC needs no database. Raises ValueError where there is no such zone here."""
    if name == "UTC":
        return datetime.UTC
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f'no time zone "{name}"') from error


def date_of(plan: Plan, task: str, start: datetime.date) -> datetime.date | None:
    """The task's day; None if the plan gives it none."""
    day = plan.day.get(plan.task[task].day)
    return start + datetime.timedelta(days=day.offset) if day else None


def due(plan: Plan, task: str, start: datetime.date, site_zone: str) -> datetime.datetime | None:
    """When the task is due, in UTC: its clock time is the site's. None if it is not due at any time."""
    date, clock = date_of(plan, task, start), plan.task[task].due
    if date is None or not clock:
        return None
    local = datetime.datetime.combine(date, datetime.time.fromisoformat(clock), zone(site_zone))
    return local.astimezone(datetime.UTC)


def day_of(start: datetime.date, today: datetime.date) -> int:
    """Which day of the programme a date is, from 1; 1 before the start too."""
    return max(1, (today - start).days + 1)
