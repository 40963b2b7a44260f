"""Whether held-out payloads occur in a data set: streamed, with a few digests a held-out payload in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import msgspec

from operations.contract import Refusal
from operations.dataset.masking import mask
from operations.dataset.records import normal

SETS = ("training", "validation", "test")
"""What the names of a data set's three files begin with."""
TOLD_EVERY = 100_000


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

    ``tell`` gets the number of lines read every ``TOLD_EVERY``; None if it says to stop. Raises Refusal at a line that
    is no pattern.
    """
    exact: Counter[bytes] = Counter()
    masks: Counter[bytes] = Counter()
    for payload in payloads(held):
        for counter, digest in zip((exact, masks), _digests(payload), strict=True):
            counter[digest] += 1
    found: tuple[set[bytes], set[bytes]] = (set(), set())
    by_set: dict[str, int] = {}
    lines: dict[str, int] = {}
    read = 0
    for path in files(dataset):
        here: set[bytes] = set()
        lines[path.name] = 0
        for payload in payloads(path):
            one, other = _digests(payload)
            if one in exact:
                found[0].add(one)
            if other in masks:
                here.add(other)
            lines[path.name] += 1
            read += 1
            if read % TOLD_EVERY == 0 and not tell(read):
                return None
        by_set[path.name] = _count(here, masks)
        found[1].update(here)
    return Seen(
        held=exact.total(),
        exactly=_count(found[0], exact),
        masked=_count(found[1], masks),
        by_set=by_set,
        lines=lines,
    )


def _digests(payload: str) -> tuple[bytes, bytes]:
    return _digest(normal(payload)), _digest(mask(payload))


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _count(some: Iterable[bytes], held: Counter[bytes]) -> int:
    return sum(held[digest] for digest in some)
