"""Whether a line of a training's log tells of an error: the signs, and what only looks like one. Pure."""

from __future__ import annotations

import re

_WORDS = {
    "NaN": re.compile(r"(?<![\w.])nan(?!\w)", re.IGNORECASE),
    "infinite": re.compile(r"\b(?:loss|norm|gradient)\b[ :=]{1,3}-?inf\b", re.IGNORECASE),
    "Killed": re.compile(r"\bkilled\b", re.IGNORECASE),
    "Traceback": re.compile(r"\btraceback\b", re.IGNORECASE),
    "error": re.compile(
        r"\w*errors?\s*:(?!\S)|(?-i:\[ERROR\]|^\s*ERROR\b|\bERROR[: ])|\berror\s+(?:occurred|in|while|at|when|from)\b",
        re.IGNORECASE,
    ),
    "fatal": re.compile(r"\bfatal\b", re.IGNORECASE),
    "memory": re.compile(r"\bout of memory\b|\binsufficient memory\b|\boom-kill", re.IGNORECASE),
    "crash": re.compile(r"\bsegmentation fault\b|\bcore dumped\b|\bbus error\b", re.IGNORECASE),
    "disk": re.compile(r"\bno space left\b", re.IGNORECASE),
}
_COUNTED = re.compile(
    r"(?<![\w.,])(?:(\d+(?:,\d{3})*)\s+(?:[a-z]+\s+)?(?:errors|nans?|killed|failures)\b"
    r"|1\s+(?:[a-z]+\s+)?(?:error|failure)\b(?!\s+(?:rate|bar|[\d.])))",
    re.IGNORECASE,
)
_NONE_BEFORE = re.compile(
    r"\b(?:no|not|never|without|neither|nor|0|zero)(?:\s+(?:any|a|an|single|\w+ing))?\s*$", re.IGNORECASE
)
_NONE_AFTER = re.compile(r"\s*(?:0+(?:\.\d*)?|\d*\.\d+(?:e-?\d+)?|none|no|nil|-)\s*(?:$|[,;|)%])", re.IGNORECASE)


def sign(text: str) -> str:
    """The sign of an error in a line, by its name; empty if there is none.

    "0 errors", "no NaN" and "error: 0" tell of none; "3 errors" and "RuntimeError: x" do. A figure that is called an
    error ("error rate 0.0", "error: 0.02") is none either.
    """
    for counted in _COUNTED.finditer(text):
        if int((counted[1] or "1").replace(",", "")):
            return "error"
    for name, pattern in _WORDS.items():
        for found in pattern.finditer(text):
            none = _NONE_BEFORE.search(text, 0, found.start()) or (
                name == "error" and _NONE_AFTER.match(text, found.end())
            )
            if not none:
                return name
    return ""
