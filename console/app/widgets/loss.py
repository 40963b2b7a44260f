"""The live loss: raw values faint, their mean bright, validation marked; drawn only when new points came."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.strip import Strip

from console.app.draw import times
from console.app.follow import Follower
from console.app.glyphs import ASCII
from console.app.line import Line, line
from console.app.widgets.lines import Painter

TRAIN = ("loss", "train_loss")
CHECK = ("val_loss", "validation_loss")


class LossPane(Painter, can_focus=True):
    """One curve of a run, its attempts folded by step."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "log", "log scale"),
        Binding("m", "marker", "blocks or dots"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._attempts: Sequence[Follower] = ()
        self._before: Sequence[Follower] = ()
        self._counts: tuple[int, ...] = ()
        self._logarithmic = False
        self._dots = False
        self._lines: list[Line] = []
        self._tools: Any = None

    def on_mount(self) -> None:
        self._retitle()

    def ready(self, tools: Any) -> None:
        """The plotting module came, which is not waited for at the first frame."""
        self._tools = tools
        self._draw()

    def show(self, attempts: Sequence[Follower], before: Sequence[Follower] = ()) -> None:
        """The followed attempts of a run, oldest first, and those of the round before; draws if they say more."""
        every = (*attempts, *before)
        known = (*self._attempts, *self._before)
        counts = tuple(len(series.steps) for follower in every for series in follower.series.values())
        same = len(every) == len(known) and all(a is b for a, b in zip(every, known, strict=True))
        if same and counts == self._counts:
            return
        self._attempts, self._before, self._counts = tuple(attempts), tuple(before), counts
        self._draw()

    def _draw(self) -> None:
        lines = self._drawn()
        if lines != self._lines:
            self._lines = lines
            self.refresh()
        self._retitle()

    def _drawn(self) -> list[Line]:
        if self._tools is None or not self.size:
            return []
        curve, plot = self._tools.curve, self._tools.plot
        train, checks = (curve.fold(_series(self._attempts, names)) for names in (TRAIN, CHECK))
        before = curve.fold(_series(self._before, TRAIN))
        plain = self.glyphs is ASCII
        marker = "." if plain else "braille" if self._dots else "hd"
        look = plot.Look(self._logarithmic, marker, "o" if plain else "◆", plain)
        progress = self._attempts[-1].progress if self._attempts else None
        end = progress.total if progress is not None and progress.unit.startswith("step") else 0
        drawn: list[Line] = plot.draw(train, checks, end, self.size.width, self.size.height - 1, look, before)
        if drawn:
            drawn.append(line("  ", (self._caption(train, checks), "dim")))
        return drawn

    def _caption(self, train: Any, checks: Any) -> str:
        """Where the curve is, how much of it is not finite, and when it may end."""
        dot = f" {self.glyphs.dot} "
        said = []
        if train.last is not None:
            step, value = train.last
            said += [f"step {step:,}", f"loss {value:.4g}" if math.isfinite(value) else "loss not finite"]
            broken = sum(1 for v in train.values if not math.isfinite(v))
            said += [f"{broken:,} not finite"] if broken else []
        ends = ending(self._attempts[-1]) if self._attempts else ""
        said += [f"end ≈ {ends}"] if ends else []
        if checks.last is not None and math.isfinite(checks.last[1]):
            said.append(f"validation {checks.last[1]:.4g} at {checks.last[0]:,}")
        said += [f"{len(self._attempts)} attempts"] if len(self._attempts) > 1 else []
        said += ["faint: the round before"] if any(_series(self._before, TRAIN)) else []
        return dot.join(said)

    def _retitle(self) -> None:
        mean, check = ("━", "◆") if self.glyphs is not ASCII else ("-", "o")
        self.entitle(f"Loss  {mean} mean  {check} validation", f"y {'linear' if self._logarithmic else 'log'}  m marks")

    def action_log(self) -> None:
        self._logarithmic = not self._logarithmic
        self._draw()

    def action_marker(self) -> None:
        self._dots = not self._dots
        self._draw()

    def on_resize(self, _event: Resize) -> None:
        self._draw()

    def render_line(self, y: int) -> Strip:
        if not self._lines and y == 0:
            return self._strip(line((" no curve yet", "dim")), self.size.width)
        return self._strip(self._lines[y] if y < len(self._lines) else line(""), self.size.width)

    @property
    def plain(self) -> str:
        return "\n".join(line.plain for line in self._lines)


def _series(attempts: Sequence[Follower], names: Sequence[str]) -> list[Any]:
    return [next((f.series[n] for n in names if n in f.series), None) for f in attempts]


def ending(follower: Follower) -> str:
    """When a running job would end at its mean pace so far, in UTC; "" where that can't be said."""
    progress = follower.progress
    if follower.finished or progress is None or follower.first is None or follower.last is None:
        return ""
    if not 0 < progress.done < progress.total:
        return ""
    left = (follower.last - follower.first) * (progress.total - progress.done) / progress.done
    moment = times.at(follower.last + left)
    return f"{moment:%H:%M} UTC" if left < 86_400 else f"{moment:%Y-%m-%d %H:%M} UTC"
