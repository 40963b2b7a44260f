"""Hosts and their readings: one line for all of them, and a pane with the reasons of what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from console.app.draw import times
from console.app.draw.bars import sparkline
from console.app.draw.readings import SILENT, STYLES, Heard, Shown, judged, machine, table, told
from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.app.service import Reading
from console.conductor.view import View
from console.plan import limits
from console.plan.sites import Host

__all__ = ["NOTHING", "SILENT", "Heard", "lines", "strip"]

SPARKS = 8
BUCKET = 15.0
"""Seconds that one height of the strip's sparkline stands for, so that it moves four times a minute."""
NOTHING = Heard("not asked yet")
_STRIP = ("gpu_percent", "ram_used", "temperature_c", "disk_free")


def strip(view: View, heard: Mapping[str, Heard], width: int, glyphs: Glyphs) -> Line:
    """All hosts on one line; the first of a shared machine speaks for it."""
    parts: list[Span] = [(" ", "")]
    shared = limits.shared(view.site)
    for place, id in enumerate(view.site.host):
        if place:
            parts.append((f" {glyphs.cut} ", "dim"))
        parts.append((f"{id} ", "title"))
        if id in shared:
            parts.append((" same machine", "dim"))
            continue
        known = heard.get(id, NOTHING)
        if known.readings and not known.silent:
            parts += _short(view, id, known.readings, width >= 110, glyphs)
        else:
            parts.append((f" {_silence(known)}", _tone(known)))
    return line(*parts)


def _silence(known: Heard) -> str:
    """How the host stands, in few words: what is wrong and what to do about it is the pane's to say."""
    if known.silent and known.age is not None:
        return f"not heard for {times.span(known.age)}"
    return known.word


def _tone(known: Heard) -> str:
    return "warn" if known.silent or known.word == "down" else "dim"


def _short(view: View, id: str, readings: Sequence[Reading], wide: bool, glyphs: Glyphs) -> Iterator[Span]:
    last = readings[-1]
    yield " gpu ", "dim"
    yield _judged(view, id, "gpu_percent", last)
    yield "  ram ", "dim"
    _, style = _judged(view, id, "ram_used", last)
    yield f"{last.ram_used / 1e9:.1f}/{last.ram_total / 1e9:.0f} GB{_mark(style)}", style
    if wide:
        yield f" {sparkline(_buckets(readings), glyphs, SPARKS, last.ram_total).lstrip():{SPARKS}}", "accent"
    yield "  temp ", "dim"
    if last.temperature_c is None and last.thermal_pressure is not None:
        yield _judged(view, id, "thermal_pressure", last)
    else:
        yield _judged(view, id, "temperature_c", last)
    yield "  disk ", "dim"
    text, style = _judged(view, id, "disk_free", last)
    yield text.replace("!", " free!") if style else f"{text} free", style
    for alert in view.alerts:
        if alert.host in machine(view, id) and alert.reading not in _STRIP:
            yield f"  {alert.label}!", STYLES[alert.level]


def _judged(view: View, id: str, name: str, reading: Reading) -> Span:
    """A figure of the strip: coloured, and with a mark for those who see no colour, where it does not hold a limit."""
    value = getattr(reading, name)
    style = judged(view, id, name, value)
    return (told(name, value) + _mark(style), style) if value is not None else ("n/a", "dim")


def _mark(style: str) -> str:
    return "!" if style else ""


def _buckets(readings: Sequence[Reading]) -> list[float | None]:
    """The last memory figure of each BUCKET, the running one left out."""
    found: dict[int, float] = {int(r.t // BUCKET): float(r.ram_used) for r in readings}
    newest = max(found, default=0)
    return [found.get(place) for place in range(newest - SPARKS, newest)]


def lines(view: View, heard: Mapping[str, Heard], width: int, glyphs: Glyphs, shown: Shown | None = None) -> list[Line]:
    """The hosts pane."""
    drawn: list[Line] = []
    shared = limits.shared(view.site)
    asked = shown or Shown()
    for id, host in view.site.host.items():
        known = heard.get(id, NOTHING)
        drawn.append(line((id, "head"), f"  {_where(host)}", right=[(_silence(known), _tone(known))]))
        if host.about:
            drawn += wrapped(host.about, width, "dim", "  ", "  ")
        drawn += _trouble(view, id, known, width)
        history = asked.history(id) if id not in shared else None
        if id in shared:
            drawn.append(line((f"  same machine as {shared[id]}: figures between them are n/a", "dim")))
        elif (known.readings and not known.silent) or (history is not None and history.whole):
            drawn += table(view, id, known, history, asked, width, glyphs)
        elif not known.readings:
            drawn.append(line(("  no reading yet", "dim")))
        drawn.append(Line())
    return drawn[:-1]


def _trouble(view: View, id: str, known: Heard, width: int) -> Iterator[Line]:
    """What is wrong with a host and what to do about it; what runs there meanwhile."""
    if known.reason:
        yield from wrapped(known.reason, width, "warn", "    ", "  ! ")
    if not known.silent and known.word != "down":
        return
    jobs = [job for task in view.tasks.values() for job in task.jobs if job.state == "running" and job.host == id]
    for job in jobs:
        said = f"{job.task} was running there, and may go on: what it says meanwhile comes when {id} answers"
        yield from wrapped(said, width, "dim", "    ", "    ")


def _where(host: Host) -> str:
    if host.link == "local":
        return f"this machine, {host.root}"
    user = f"{host.user}@" if host.user else ""
    container = f", container {host.container}" if host.container else ""
    return f"ssh {user}{host.address}{container}, {host.root}"
