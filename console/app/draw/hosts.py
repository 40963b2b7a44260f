"""Hosts and their readings: one line for all of them, and a pane with the reasons of what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from console.app.draw import times
from console.app.draw.bars import sparkline
from console.app.glyphs import Glyphs
from console.app.line import Line, Span, line, wrapped
from console.app.service import Reading
from console.conductor.view import View
from console.conductor.wording import size
from console.plan import limits
from console.plan.types import Host

SPARKS = 8
BUCKET = 15.0
"""Seconds that one height of the strip's sparkline stands for, so that it moves four times a minute."""
SILENT = 15.0
"""Seconds without a reading after which the last one is no longer shown as if it were now."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What is known of a host: how it stands, its recent readings, and how old the last one is in seconds."""

    state: str
    readings: Sequence[Reading] = ()
    age: float | None = None

    @property
    def silent(self) -> bool:
        return self.age is not None and self.age > SILENT


NOTHING = Heard("not asked yet")


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
            parts += _short(known.readings, width >= 110, glyphs)
        else:
            parts.append((f" {_silence(known)}", "warn" if known.silent else "dim"))
    return line(*parts)


def _silence(known: Heard) -> str:
    return f"not heard for {times.span(known.age)}" if known.silent and known.age is not None else known.state


def _short(readings: Sequence[Reading], wide: bool, glyphs: Glyphs) -> Iterator[Span]:
    last = readings[-1]
    yield " gpu ", "dim"
    yield _or_na(last.gpu_percent, "{:.0f} %")
    yield "  ram ", "dim"
    yield f"{last.ram_used / 1e9:.1f}/{last.ram_total / 1e9:.0f} GB", ""
    if wide:
        yield f" {sparkline(_buckets(readings), glyphs, SPARKS, last.ram_total).lstrip():{SPARKS}}", "accent"
    yield "  temp ", "dim"
    yield _or_na(last.temperature_c, "{:.0f} °C")
    yield "  disk ", "dim"
    yield f"{size(last.disk_free)} free", ""


def _buckets(readings: Sequence[Reading]) -> list[float | None]:
    """The last memory figure of each BUCKET, the running one left out."""
    found: dict[int, float] = {int(r.t // BUCKET): float(r.ram_used) for r in readings}
    newest = max(found, default=0)
    return [found.get(place) for place in range(newest - SPARKS, newest)]


def _or_na(value: float | None, form: str) -> Span:
    return ("n/a", "dim") if value is None else (form.format(value), "")


def lines(view: View, heard: Mapping[str, Heard], width: int, glyphs: Glyphs) -> list[Line]:
    """The hosts pane."""
    drawn: list[Line] = []
    shared = limits.shared(view.site)
    for id, host in view.site.host.items():
        known = heard.get(id, NOTHING)
        drawn.append(
            line((id, "head"), f"  {_where(host)}", right=[(_silence(known), "warn" if known.silent else "dim")])
        )
        if host.about:
            drawn += wrapped(host.about, width, "dim", "  ", "  ")
        if id in shared:
            drawn.append(line((f"  same machine as {shared[id]}: figures between them are n/a", "dim")))
        elif known.readings:
            drawn += _readings(known.readings, width, glyphs)
        else:
            drawn.append(line(("  no reading yet", "dim")))
        drawn.append(Line())
    return drawn[:-1]


def _where(host: Host) -> str:
    if host.link == "local":
        return f"this machine, {host.root}"
    user = f"{host.user}@" if host.user else ""
    container = f", container {host.container}" if host.container else ""
    return f"ssh {user}{host.address}{container}, {host.root}"


def _readings(readings: Sequence[Reading], width: int, glyphs: Glyphs) -> Iterator[Line]:
    last = readings[-1]
    sparks = max(8, min(60, width - 44))
    rows: tuple[tuple[str, str, str, list[float | None], float | None], ...] = (
        ("gpu", _figure(last.gpu_percent, "%"), last.gpu_reason, [r.gpu_percent for r in readings], 100.0),
        ("processors", _figure(last.cpu_percent, "%"), last.cpu_reason, [r.cpu_percent for r in readings], 100.0),
        (
            "memory",
            f"{last.ram_used / 1e9:.1f} of {last.ram_total / 1e9:.1f} GB",
            "",
            [float(r.ram_used) for r in readings],
            float(last.ram_total),
        ),
        (
            "temperature",
            _figure(last.temperature_c, "°C"),
            last.temperature_reason,
            [r.temperature_c for r in readings],
            110.0,
        ),
        ("power", _figure(last.watts, "W"), last.watts_reason, [r.watts for r in readings], None),
        ("disk free", size(last.disk_free), "", [], None),
    )
    for name, figure, reason, values, top in rows:
        if figure == "n/a":
            yield line((f"  {name:12}", "dim"), ("n/a  ", ""), (reason, "dim"))
        else:
            yield line((f"  {name:12}", "dim"), f"{figure:22}", (sparkline(values, glyphs, sparks, top), "accent"))


def _figure(value: float | None, unit: str) -> str:
    return "n/a" if value is None else f"{value:.0f} {unit}"
