"""What of a payload is a literal, so that payloads that differ in nothing else can be kept on one side of a split.

There are two forms. `mask` spells the literals out: quoted text, hexadecimal, numbers, addresses (IPv4, IPv6, MAC,
UUID) each become a sign; `dataset.verify` compares these. `keys` is coarser and over ten times faster;
`dataset.export` splits by it. It is a sum of random weights, one a character: space weighs nothing, and in the half
that is the masked form neither does a character of LITERAL nor what stands in quotes. A literal outside of quotes has
characters of LITERAL only, so equal masks have equal keys, and what `mask` would call equal is never on two sides.
Payloads with equal keys and different masks, such as the same words in another order, are on one side as well.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from operations.dataset.records import normal

LITERAL = b"0123456789abcdefx.:-_/%\\#"
"""Characters that literals outside of quotes are made of, in lower case, and the sign for a literal."""
QUOTES = (b'"', b"'", b"`")
FORM = 0xFFFFFFFF
"""The bits of a key that are the masked form's."""
_FORM = np.uint64(FORM)
_WORD = 16
_AT_ONCE = 2_000
"""Payloads whose weights are in memory together, 4 bytes a character; few enough for a processor's cache."""
_GAP, _BLANK = "  ", b"  "
"""What is between two texts. With two spaces each text has a pair of bytes of its own, and an empty one has too."""
_QUOTED = tuple(re.compile(f"{quote}[^{quote}]*{quote}") for quote in "\"'`")
_OF = r"a-fx.:\-_/%\\#"
_LOWER = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz")
_SPACE = b" \t\n\v\f\r\x1c\x1d\x1e\x1f"
_LEFT_OUT = LITERAL + LITERAL.upper() + _SPACE
_UNWEIGHED = LITERAL + b"".join(QUOTES)
_OPEN = re.compile(rf"[{_OF}]*[0-9][{_OF}0-9]*|(?<![g-z])[a-f]{{6,}}(?![g-z])")


def mask(payload: str) -> str:
    """The normalised payload, its quoted literals empty, every other one ``#``."""
    text = normal(payload)
    for quote, pattern in zip(QUOTES, _QUOTED, strict=True):
        text = pattern.sub(quote.decode() * 2, text)
    return _OPEN.sub("#", text)


def _weigh(data: bytes) -> int:
    """The sum of the bytes' weights: 32 bits of all, then 32 bits of what a mask has; what carries over is kept."""
    total = 0
    for byte in data:
        if byte not in _SPACE:
            weight = int.from_bytes(hashlib.blake2b(bytes([byte]), digest_size=8).digest(), "big")
            total += weight & ~FORM if byte in _UNWEIGHED else weight
    return total % 2**64


def _length(data: bytes) -> int:
    """How much longer these bytes make what stands in quotes: one that no short word has makes it too long for one."""
    return sum(1 if bytes([byte]).isalnum() else _WORD + 1 for byte in data.translate(_LOWER, _LEFT_OUT))


def _pairs(weights: list[int]) -> NDArray[np.uint64]:
    """The weight of each pair of bytes, as an array of 16-bit numbers has them: in either order it is the same."""
    each = np.array(weights, dtype=np.uint64)
    return np.add.outer(each, each).ravel()


_NORMAL = [normal(chr(character)).encode() for character in range(256)]
"""The normal forms of the characters of Latin-1: in a text each has its own."""
_BYTES = _pairs([_weigh(bytes([byte])) for byte in range(256)])
"""Weights of the bytes of UTF-8, in lower case."""
_CHARACTERS = _pairs([_weigh(text) for text in _NORMAL])
_LENGTHS = bytes(map(_length, _NORMAL))
_ROW = np.zeros(5 * _WORD, dtype=np.uint8)
_PLACES = np.arange(len(_ROW), dtype=np.uint8)


def keys(payloads: Sequence[str]) -> NDArray[np.uint64]:
    """A key of each payload: a function of its normal form, and in the bits of FORM one of its mask."""
    parts = [_keys(payloads[at : at + _AT_ONCE]) for at in range(0, len(payloads), _AT_ONCE)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint64)


def forms(payloads: Sequence[str]) -> list[int]:
    """The bits of each payload's key that are its masked form's: equal masks have equal ones."""
    found: list[int] = (keys(payloads) & _FORM).tolist()
    return found


def _keys(payloads: Sequence[str]) -> NDArray[np.uint64]:
    try:
        # In Latin-1 a character is a byte.
        blob = _GAP.join([*payloads, ""]).encode("latin-1")
    except UnicodeEncodeError:
        foreign = [at for at, payload in enumerate(payloads) if not payload.isascii()]
        plain = list(payloads)
        for at in foreign:
            plain[at] = ""
        found = _keys(plain)
        found[foreign] = _mixed([payloads[at] for at in foreign])
        return found
    starts = _starts(payloads)
    if b'"' in blob or b"'" in blob or b"`" in blob:
        found, several = _quoted(blob, starts)
        if several:
            found[several] = found[several] & ~_FORM | _bare([payloads[at] for at in several])
        return found
    return _sums(_CHARACTERS, blob, starts >> 1)


def _mixed(payloads: Sequence[str]) -> NDArray[np.uint64]:
    """The keys of payloads of any characters, their normal forms taken one by one."""
    texts = [normal(payload).encode("utf-8", "surrogatepass") for payload in payloads]
    found = _sums(_BYTES, _BLANK.join([*texts, b""]), _starts(texts) >> 1)
    return found & ~_FORM | _bare(payloads)


def _bare(payloads: Sequence[str]) -> NDArray[np.uint64]:
    """The masked form's bits of payloads with any quotes, one by one."""
    bare = []
    for payload in payloads:
        text = (payload if payload.isascii() else normal(payload)).encode("utf-8", "surrogatepass")
        text = text.translate(_LOWER, _LEFT_OUT)
        for quote in QUOTES:
            if quote in text:
                text = unquoted(text, quote)
        bare.append(text)
    return _sums(_BYTES, _BLANK.join([*bare, b""]), _starts(bare) >> 1) & _FORM


def _starts(texts: Sequence[bytes] | Sequence[str]) -> NDArray[np.int64]:
    """Where each text begins once they are joined by _GAP."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)) + len(_GAP)
    return np.cumsum(lengths) - lengths


def _sums(weights: NDArray[np.uint64], blob: bytes, begins: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The sums of the weights of the pairs of bytes from each of ``begins`` to the next, the last's to the end.

    A text that begins within a pair has the pair: what is before it there is a space, or a quote, and weighs nothing.
    """
    pairs = np.frombuffer(blob if len(blob) % 2 == 0 else blob + b" ", dtype=np.uint16)
    return np.add.reduceat(weights.take(pairs), begins)


def _quoted(blob: bytes, starts: NDArray[np.int64]) -> tuple[NDArray[np.uint64], list[int]]:
    """The keys of joined texts of which some have quotes, and which have quotes of several kinds.

    What `unquoted` does piece by piece, for all texts at once.
    """
    data = np.frombuffer(blob, dtype=np.uint8)
    quotes = where(functools.reduce(np.bitwise_or, (data == quote[0] for quote in QUOTES if quote in blob)))
    text = np.searchsorted(starts, quotes, side="right") - 1
    count = np.arange(len(quotes))
    # A text has a piece before its first quote and one after each; `begins` has all in order, `after` those.
    before = np.searchsorted(quotes, starts)
    first, after = before + np.arange(len(starts)), count + text + 1
    begins = np.empty(len(starts) + len(quotes), dtype=np.int64)
    begins[first], begins[after] = starts, quotes + 1
    sums = _sums(_CHARACTERS, blob, begins >> 1)
    # An empty piece has no pair of its own.
    sums[:-1][begins[1:] >> 1 == begins[:-1] >> 1] = 0
    ends = np.append(begins[1:], len(blob)) - 1
    closing = (count - before[text]) % 2 == 1
    closing[np.flatnonzero(np.append(text[1:] != text[:-1], True))] = True
    kept = np.flatnonzero(closing)
    kept = kept[_lengths(data, begins[after[kept]], ends[after[kept]]) > _WORD]
    gone = sums[after]
    gone[kept] = 0
    gone = np.append(np.uint64(0), np.cumsum(gone))
    found = np.add.reduceat(sums, first)
    masked = found - (gone[np.append(before[1:], len(quotes))] - gone[before])
    kinds = data[quotes]
    several = text[kinds != kinds[before[text]]]
    return found & ~_FORM | masked & _FORM, np.unique(several).tolist()


def _lengths(data: NDArray[np.uint8], begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The pieces' lengths as _LENGTHS has them, but only far enough to tell those above _WORD."""
    if not len(begins):
        return begins
    rows = sliding_window_view(np.append(data, _ROW), len(_ROW))[begins]
    rows = np.frombuffer(rows.tobytes().translate(_LENGTHS), dtype=np.uint8).reshape(-1, len(_ROW))
    inside = np.minimum(ends - begins, len(_ROW)).astype(np.uint8)[:, None] > _PLACES
    lengths: NDArray[np.int64] = (rows * inside).sum(axis=1, dtype=np.int64)
    for at in np.flatnonzero((lengths <= _WORD) & (ends - begins > len(_ROW))).tolist():
        lengths[at] = sum(data[begins[at] : ends[at]].tobytes().translate(_LENGTHS))
    return lengths


def where(found: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where an array of one dimension is true: `numpy.flatnonzero` for one that is hardly ever."""
    whole = len(found) // 8 * 8
    eights = found[:whole].view(np.uint64)
    some = np.flatnonzero(eights != 0)
    within = np.flatnonzero(eights[some].view(np.bool_))
    return np.append(some[within >> 3] * 8 + (within & 7), np.flatnonzero(found[whole:]) + whole)


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
