"""Whether held-out payloads occur in a data set: streamed, with a few digests a held-out payload in memory."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec

from operations.contract import Refusal
from operations.dataset import masking
from operations.dataset.records import normal

SETS = ("training", "validation", "test")
"""What the names of a data set's three files begin with."""
AT_ONCE = 4_096
"""Payloads compared at once."""
TOLD_EVERY = 25
"""Times of these between two looks at whether to go on."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Of ``held`` payloads, how many occur in the data set: ``exactly``, or ``masked``, with literals not told apart
    (that counts the former too); ``by_set`` the latter by file; ``lines`` how many were compared with, by file."""

    held: int
    exactly: int
    masked: int
    by_set: dict[str, int]
    lines: dict[str, int]


class _Line(msgspec.Struct):
    payload: str = ""


def payloads(path: Path) -> Iterator[str]:
    """The payloads of a JSON Lines file. Raises Refusal at a line that has none."""
    decoder = msgspec.json.Decoder(_Line)
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                payload = decoder.decode(line).payload
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise Refusal(f"{path.name} line {number} is no pattern: {error}") from None
            if not payload:
                raise Refusal(f"{path.name} line {number} has no payload")
            yield payload


def files(dataset: Path) -> list[Path]:
    """The data set's files, one or more of each set. Raises Refusal if a set is missing: nothing shows it unseen."""
    found = sorted(dataset.glob("*.jsonl")) if dataset.is_dir() else []
    for name in SETS:
        if not any(path.name.startswith(name) for path in found):
            raise Refusal(f"{dataset.name} has no {name}*.jsonl, so that nothing shows what was not seen in {name}")
    return [path for path in found if path.name.startswith(SETS)]


def compare(held: Path, dataset: Path, tell: Callable[[int], bool]) -> Seen | None:
    """Counts the held-out payloads that the data set has too.

    ``tell`` gets the number of lines read now and then; None if it says to stop. Raises Refusal at a line that is no
    pattern.
    """
    known = _Held(payloads(held))
    by_set: dict[str, int] = {}
    lines: dict[str, int] = {}
    for path in files(dataset):
        known.here.clear()
        lines[path.name] = 0
        left = payloads(path)
        for number in itertools.count(1):
            some = list(itertools.islice(left, AT_ONCE))
            if not some:
                break
            known.meet(some)
            lines[path.name] += len(some)
            if number % TOLD_EVERY == 0 and not tell(sum(lines.values())):
                return None
        by_set[path.name] = _count(known.here, known.masks)
    return Seen(
        held=known.exact.total(),
        exactly=_count(known.found_exact, known.exact),
        masked=_count(known.found_masks, known.masks),
        by_set=by_set,
        lines=lines,
    )


class _Held:
    """Digests of the held-out payloads, and which of them were met: ``here`` is that of masks in the present file."""

    def __init__(self, some: Iterator[str]) -> None:
        self.exact: Counter[bytes] = Counter()
        self.masks: Counter[bytes] = Counter()
        self.forms: set[int] = set()
        self.found_exact: set[bytes] = set()
        self.found_masks: set[bytes] = set()
        self.here: set[bytes] = set()
        while chunk := list(itertools.islice(some, AT_ONCE)):
            self.exact.update(_digest(normal(payload)) for payload in chunk)
            self.masks.update(_digest(masking.mask(payload)) for payload in chunk)
            self.forms.update(masking.forms(chunk))

    def meet(self, some: list[str]) -> None:
        """Marks what of it is in these payloads too."""
        # Equal masks have equal forms, which are made far faster: most payloads need no mask.
        for payload, form in zip(some, masking.forms(some), strict=True):
            if form not in self.forms:
                continue
            mask, exact = _digest(masking.mask(payload)), _digest(normal(payload))
            if mask in self.masks:
                self.here.add(mask)
                self.found_masks.add(mask)
            if exact in self.exact:
                self.found_exact.add(exact)


def _digest(text: str) -> bytes:
    return _hashed(text.encode("utf-8", "surrogatepass"))


def _hashed(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _count(some: Iterable[bytes], held: Counter[bytes]) -> int:
    return sum(held[digest] for digest in some)
