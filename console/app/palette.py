"""The names of styles as colours of the theme in force; with the terminal's own 16 colours, as dim, bold and reverse.

One table for the whole app: as component classes these styles would be matched again for every pane.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.app import App
from textual.color import Color

_SHADES: Mapping[str, tuple[str, float, str]] = {
    "dim": ("foreground", 0.55, ""),
    "title": ("foreground", 1.0, "bold"),
    "head": ("foreground", 0.85, "bold"),
    "accent": ("text-primary", 1.0, ""),
    "warn": ("text-warning", 1.0, ""),
    "bad": ("text-error", 1.0, ""),
    "good": ("text-success", 1.0, ""),
    "typed": ("text-accent", 1.0, "italic"),
    "ready": ("foreground", 1.0, "bold"),
    "running": ("text-primary", 1.0, "bold"),
    "done": ("text-success", 1.0, ""),
    "failed": ("text-error", 1.0, "bold"),
    "lost": ("text-warning", 1.0, "bold"),
    "skipped": ("foreground", 0.55, ""),
    "locked": ("foreground", 0.45, ""),
}
"""Name -> variable of the theme, its opacity over the background, and the text's style."""
_PLAIN: Mapping[str, str] = {
    "dim": "dim",
    "title": "bold",
    "head": "bold",
    "accent": "{primary}",
    "warn": "{warning}",
    "bad": "{error}",
    "good": "{success}",
    "typed": "italic {warning}",
    "ready": "bold",
    "running": "bold {primary}",
    "done": "{success}",
    "failed": "bold {error}",
    "lost": "bold {warning}",
    "skipped": "dim",
    "locked": "dim",
    "mark": "reverse",
    "found": "reverse",
    "cursor": "reverse",
    "cursor-blurred": "underline",
}
_made: dict[tuple[str, bool], Mapping[str, Style]] = {}


def of(app: App[object]) -> Mapping[str, Style]:
    """The styles of the app's present theme by name."""
    key = app.theme, app.native_ansi_color
    if key not in _made:
        _made[key] = _styles(app.theme_variables, key[1])
    return _made[key]


def _styles(held: Mapping[str, str], ansi: bool) -> Mapping[str, Style]:
    if ansi:
        names = {name: held[name].removeprefix("ansi_") for name in ("primary", "warning", "error", "success")}
        return {name: Style.parse(form.format(**names)) for name, form in _PLAIN.items()}
    background = Color.parse(held["background"])
    found = {}
    for name, (variable, opacity, text) in _SHADES.items():
        colour = Color.parse(held[variable])
        blended = background.blend(colour, opacity * colour.a, 1.0)
        found[name] = Style(color=blended.rich_color) + Style.parse(text)
    warning = Color.parse(held["warning"])
    marked = Style(color=warning.get_contrast_text(1.0).rich_color, bgcolor=warning.rich_color)
    found["found"], found["mark"] = marked, marked + Style(bold=True)
    primary, foreground = Color.parse(held["primary"]), Color.parse(held["foreground"])
    found["cursor"] = Style(bgcolor=background.blend(primary, 0.35, 1.0).rich_color, bold=True)
    found["cursor-blurred"] = Style(bgcolor=background.blend(foreground, 0.12, 1.0).rich_color)
    return found
