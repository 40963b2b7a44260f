"""What of a payload is a literal, so that payloads that differ in nothing else can be kept on one side of a split.

There are two forms. `mask` spells the literals out: quoted text, hexadecimal, numbers, addresses (IPv4, IPv6, MAC,
UUID) each become a sign; `dataset.verify` compares these. `keys` is coarser and over ten times faster;
`dataset.export` splits by it. It is a sum of random weights, one a character: space weighs nothing, and in the half
that is the masked form neither does a character of LITERAL nor what stands in quotes. A literal outside of quotes has
characters of LITERAL only, so equal masks have equal keys, and what `mask` would call equal is never on two sides.
Payloads with equal keys and different masks, such as the same words in another order, are on one side as well.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operations.dataset.records import normal

LITERAL = b"0123456789abcdefx.:-_/%\\#"
"""Characters that literals outside of quotes are made of, in lower case, and the sign for a literal."""
QUOTES = (b'"', b"'", b"`")
FORM = 0xFFFFFFFF
"""The bits of a key that are the masked form's."""
_WORD = 16
_AT_ONCE = 500
"""Payloads whose weights are in memory together, 8 bytes a character; few enough for a processor's cache."""
_QUOTED = tuple(re.compile(f"{quote}[^{quote}]*{quote}") for quote in "\"'`")
_OF = r"a-fx.:\-_/%\\#"
_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_SPACE = b" \t\n\v\f\r\x1c\x1d\x1e\x1f"
_LEFT_OUT = LITERAL + LITERAL.upper() + _SPACE
_OPEN = re.compile(rf"[{_OF}]*[0-9][{_OF}0-9]*|(?<![g-z])[a-f]{{6,}}(?![g-z])")


def mask(payload: str) -> str:
    """The normalised payload, its quoted literals empty, every other one ``#``."""
    text = normal(payload)
    for quote, pattern in zip(QUOTES, _QUOTED, strict=True):
        text = pattern.sub(quote.decode() * 2, text)
    return _OPEN.sub("#", text)


def _weigh(data: bytes) -> int:
    """The sum of the bytes' weights: 32 bits of all, then 32 bits of what is no LITERAL; what carries over is kept."""
    total = 0
    for byte in data:
        if byte not in _SPACE:
            weight = int.from_bytes(hashlib.blake2b(bytes([byte]), digest_size=8).digest(), "big")
            total += weight & ~FORM if byte in LITERAL else weight
    return total % 2**64


_BYTES = np.array([_weigh(bytes([byte])) for byte in range(256)], dtype=np.uint64)
"""Weights of the bytes of UTF-8, in lower case."""
_CHARACTERS = np.array([_weigh(normal(chr(c)).encode()) for c in range(256)], dtype=np.uint64)
"""Weights of the characters of Latin-1, whose normal form is each one's own."""


def keys(payloads: Sequence[str]) -> NDArray[np.uint64]:
    """A key of each payload: a function of its normal form, and in the bits of FORM one of its mask."""
    parts = [_keys(payloads[at : at + _AT_ONCE]) for at in range(0, len(payloads), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def forms(payloads: Sequence[str]) -> list[int]:
    """The bits of each payload's key that are its masked form's: equal masks have equal ones."""
    found: list[int] = (keys(payloads) & np.uint64(FORM)).tolist()
    return found


def _keys(payloads: Sequence[str]) -> NDArray[np.uint64]:
    whole = " ".join(payloads) + " "
    try:
        # In Latin-1 a character is a byte. A space weighs nothing, and so no text is empty.
        found = _sums(_CHARACTERS, whole.encode("latin-1"), payloads)
    except UnicodeEncodeError:
        foreign = [at for at, payload in enumerate(payloads) if not payload.isascii()]
        plain = list(payloads)
        for at in foreign:
            plain[at] = ""
        found = _sums(_CHARACTERS, (" ".join(plain) + " ").encode(), plain)
        found[foreign] = _mixed([payloads[at] for at in foreign])
    if not ('"' in whole or "'" in whole or "`" in whole):
        return found
    quoted = [at for at, payload in enumerate(payloads) if "'" in payload or '"' in payload or "`" in payload]
    bare = []
    for at in quoted:
        payload = payloads[at] if payloads[at].isascii() else normal(payloads[at])
        text = payload.encode("utf-8", "surrogatepass").translate(_LOWER, _LEFT_OUT)
        for quote in QUOTES:
            if quote in text:
                text = unquoted(text, quote)
        bare.append(text)
    form = np.uint64(FORM)
    found[quoted] = (found[quoted] & ~form) | (_sums(_BYTES, b" ".join(bare) + b" ", bare) & form)
    return found


def _mixed(payloads: Sequence[str]) -> NDArray[np.uint64]:
    texts = [normal(payload).encode("utf-8", "surrogatepass") for payload in payloads]
    return _sums(_BYTES, b" ".join(texts) + b" ", texts)


def _sums(weights: NDArray[np.uint64], blob: bytes, texts: Sequence[bytes] | Sequence[str]) -> NDArray[np.uint64]:
    """The sum of the weights of each text; ``blob`` holds all of them, a byte after each."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + 1
    return np.add.reduceat(weights.take(np.frombuffer(blob, dtype=np.uint8)), np.cumsum(lengths) - lengths)


def unquoted(text: bytes, quote: bytes) -> bytes:
    """The text without its quotes of this kind and without what stands between the first and second, third and fourth.

    Short words after a quote go as well: where an injected quote has shifted the pairs, as in ``x' or 'a'='a``, the
    literals are those.
    """
    first, *others = text.split(quote)
    if len(others) == 2 and len(others[1]) > _WORD:
        return first + others[1]
    last = len(others) - 1
    kept = [first]
    for at, piece in enumerate(others):
        word = len(piece) <= _WORD and piece.isalnum()
        # At an even place it is in quotes, unless it is the last, which no quote closes.
        if not word and (at % 2 or at == last):
            kept.append(piece)
    return b"".join(kept)
