"""What of a payload is a literal, so that payloads that differ in nothing else can be kept on one side of a split.

There are two forms. `mask` spells the literals out: quoted text, hexadecimal, numbers, addresses (IPv4, IPv6, MAC,
UUID) each become a sign; `dataset.verify` compares these. `forms` is coarser and ten times faster; `dataset.export`
splits by its hash. Equal masks have equal forms, because a literal outside of quotes has characters of LITERAL only,
which `forms` leaves out wherever they stand, and both leave out what stands in quotes. So what `mask` would call
equal is never on two sides; payloads with equal forms and different masks are on one side as well, which costs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from operations.dataset.records import normal

LITERAL = b"0123456789abcdefx.:-_/%\\#"
"""Characters that literals outside of quotes are made of, in lower case, and the sign for a literal."""
QUOTES = (b'"', b"'", b"`")
_WORD = 16
_SPACE = b" \t\n\v\f\r\x1c\x1d\x1e\x1f"
_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_QUOTED = tuple(re.compile(f"{quote}[^{quote}]*{quote}") for quote in "\"'`")
_OF = r"a-fx.:\-_/%\\#"
_OPEN = re.compile(rf"[{_OF}]*[0-9][{_OF}0-9]*|(?<![g-z])[a-f]{{6,}}(?![g-z])")


def mask(payload: str) -> str:
    """The normalised payload, its quoted literals empty, every other one ``#``."""
    text = normal(payload)
    for quote, pattern in zip(QUOTES, _QUOTED, strict=True):
        text = pattern.sub(quote.decode() * 2, text)
    return _OPEN.sub("#", text)


def forms(payloads: Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    """Of each payload its letters, digits and signs without space and letter case, and these without literals.

    The first is a function of the normalised payload, the second one of its mask; neither keeps NUL.
    """
    blob = "\0".join(payloads)
    if not blob.isascii():
        blob = "\0".join([payload if payload.isascii() else normal(payload) for payload in payloads])
    if blob.count("\0") != len(payloads) - 1:
        return forms([payload.replace("\0", "") for payload in payloads])
    flat = blob.encode("utf-8", "surrogatepass").translate(_LOWER, _SPACE)
    bare = flat.translate(None, LITERAL)
    found = bare.split(b"\0")
    for quote in QUOTES:
        if quote in bare:
            found = [unquoted(text, quote) if quote in text else text for text in found]
    return flat.split(b"\0"), found


def unquoted(text: bytes, quote: bytes) -> bytes:
    """The text without its quotes of this kind and without what stands between the first and second, third and fourth.

    Short words after a quote go as well: where an injected quote has shifted the pairs, as in ``x' or 'a'='a``, the
    literals are those.
    """
    first, *others = text.split(quote)
    last = len(others) - 1
    kept = [first]
    for at, piece in enumerate(others):
        word = len(piece) <= _WORD and piece.isalnum()
        # At an even place it is in quotes, unless it is the last, which no quote closes.
        if not word and (at % 2 or at == last):
            kept.append(piece)
    return b"".join(kept)
