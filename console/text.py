"""Cleans text that came from a log, a host, a plan or a model, once, on ingest.

Terminals obey what is in a string: clipboard writes, titles, screen wipes, reordered lines. What leaves here holds no
control character, so that no display path has to be trusted. A plain line takes one scan in C: 7 M lines/s of 28
characters, 0.6 M lines/s where colour codes must be dropped (one core, `tests/console/test_text.py` asks for a tenth).
"""

from __future__ import annotations

import re

LINE_LIMIT = 4_096
"""Characters kept of one line."""
BLOCK_LIMIT = 65_536
"""Characters kept of a block of lines."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_ROOM = 16  # sequences may stand between the characters that are kept: so many times the limit is looked at

_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, which BEL ends too
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
)
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f"
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidi controls
    "\u2028\u2029"  # line and paragraph separators: a line is one line
    "\ud800-\udfff]"  # lone surrogates, which no terminal's encoding can carry
)


def clean(text: str, limit: int = LINE_LIMIT) -> str:
    """One line, safe to show, of at most ``limit`` characters.

    Control sequences go, unterminated ones too; what follows the last carriage return replaces what came before it;
    tabs become spaces; every other control, bidi control, inner line break and lone surrogate becomes U+FFFD.
    """
    if len(text) <= limit and text.isprintable():
        return text
    text = text.rstrip("\r\n")
    text = text[text.rfind("\r") + 1 :][: limit * _ROOM]
    if "\x1b" in text or not text.isascii():
        text = _SEQUENCES.sub("", text)
    return _UNSAFE.sub(REPLACEMENT, text.expandtabs())[:limit]


def clean_block(text: str, limit: int = BLOCK_LIMIT) -> str:
    """Lines, each cleaned by itself, their newlines kept; at most ``limit`` characters in all."""
    return "\n".join(map(clean, text[: limit * _ROOM].split("\n")))[:limit]
