"""What the pipeline puts out, and how it knows it again: alerts and reports that quote events, each with a keyed mark.

An alert is a text of lines::

    GLADIATOR ALERT 4b7e0c2f9a1d6835
    severity: high
    family: amber
    evidence: second
    event: <the event, verbatim>
    mark: 4b7e0c2f9a1d6835 <tag>

and a report is one of several, each with a line ``alert:``, its id, and the four lines from severity on. The tag is
HMAC-SHA256 (RFC 2104) over all before the mark's line, cut to 128 bits. Ids are random, so that nobody can quote one
before it was given.

Three rules keep own output from raising alerts, and nobody else from dressing an attack as it:

* own output whose mark verifies is taken out of an event, wherever in it it stands; what is left is judged;
* anything else that looks like own output is undressed: judged by each text between its labels, and by all of these
  as one text. Labels and bare values, such as a severity in one word, are left out: they are no attack, and a model
  that has never read an alert would find anything in them;
* where that leaves nothing, and where nothing looks like own output, an event is judged as it is.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Iterator, Sequence

import msgspec

ALERT, REPORT = "ALERT", "REPORT"
KEY_BYTES = 32
TAG_BITS = 128

_HEADER = re.compile(r"GLADIATOR (?:ALERT|REPORT) ([0-9a-f]{16})\n")
_MARK = re.compile(r"[0-9a-f]{32}(?![0-9a-f])")
_LABEL = re.compile(r"(?i)(gladiator)\s+(?:alert|report)\b|(?<!\S)(severity|family|evidence|event|alerts?|mark):")
_DRESS = re.compile(r"(?i)gladiator\s+(?:alert|report)\b|(?<!\S)mark:\s*[0-9a-f]{16}\b")
_ID = re.compile(r"(?i)\s*[0-9a-f]{16}(?:\s+[0-9a-f]{32})?(?!\S)")
_WORD = r"[\w-]{1,32}"
_BARE = {
    "severity": re.compile(_WORD),
    "family": re.compile(_WORD),
    "evidence": re.compile(_WORD),
    "alerts": re.compile(r"[0-9]{1,9}"),
}


class Alert(msgspec.Struct, frozen=True):
    """What the specialists found in an event that is an attack."""

    id: str
    severity: str
    family: str
    evidence: str
    event: str


def fresh() -> str:
    """An id that nobody can guess."""
    return secrets.token_hex(8)


def alert(told: Alert) -> str:
    """The alert as a text without a mark."""
    return f"GLADIATOR {ALERT} {told.id}\n{_lines(told)}"


def report(id: str, some: Sequence[Alert]) -> str:
    """Several alerts as one text without a mark."""
    told = [f"alert: {one.id}\n{_lines(one)}" for one in some]
    return "\n".join([f"GLADIATOR {REPORT} {id}", f"alerts: {len(some)}", *told])


def _lines(told: Alert) -> str:
    return f"severity: {told.severity}\nfamily: {told.family}\nevidence: {told.evidence}\nevent: {told.event}"


def with_tag(text: str, id: str, tag: str) -> str:
    """The text with a mark, whoever made the tag."""
    return f"{text}\nmark: {id} {tag}"


class Marks:
    """Marks own output, and takes it out of events; ``key`` is secret, and its bytes are in no file."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def alert(self, told: Alert) -> str:
        """The alert as it is put out."""
        text = alert(told)
        return with_tag(text, told.id, self._tag(text))

    def report(self, some: Sequence[Alert]) -> str:
        """A report of several alerts as it is put out."""
        id = fresh()
        text = report(id, some)
        return with_tag(text, id, self._tag(text))

    def strangers(self, event: str) -> str:
        """The event without the own output in it; "" if it is nothing else, white space around it aside."""
        kept, at = [], 0
        for start, end in self._own(event):
            kept.append(event[at:start])
            at = end
        return event if not at else "\n".join([*kept, event[at:]]).strip()

    def readings(self, event: str) -> list[str]:
        """The texts that an event is judged by; none for nothing but own output."""
        left = self.strangers(event)
        if not left and event:
            return []
        parts = undressed(left)
        return [*parts, " ".join(parts)] if len(parts) > 1 else parts or [left]

    def genuine(self, text: str, tag: str) -> bool:
        """Whether the tag is ours and of this very text."""
        return hmac.compare_digest(self._tag(text), tag)

    def _own(self, event: str) -> Iterator[tuple[int, int]]:
        at = 0
        while header := _HEADER.search(event, at):
            at = header.end()
            mark = f"\nmark: {header[1]} "
            end = event.find(mark, header.end() - 1)
            tag = _MARK.match(event, end + len(mark)) if end >= 0 else None
            if tag and self.genuine(event[header.start() : end], tag[0]):
                yield header.start(), tag.end()
                at = tag.end()

    def _tag(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[: TAG_BITS // 4]


def dressed(event: str) -> bool:
    """Whether it looks like own output, in any lettering or spacing; ask it once genuine own output was taken out."""
    return _DRESS.search(event) is not None


def undressed(event: str) -> list[str]:
    """What stands before, between and after own output's labels and is no bare value of one; each text once.

    Nothing for an event that is not dressed as own output.
    """
    if not dressed(event):
        return []
    found: dict[str, None] = {}
    label, at = "", 0
    for match in [*_LABEL.finditer(event), None]:
        text = event[at : match.start() if match else None]
        if label in ("gladiator", "alert", "mark") and (id := _ID.match(text)):
            text = text[id.end() :]
        text = text.strip()
        if text and not (label in _BARE and _BARE[label].fullmatch(text)):
            found[text] = None
        if match:
            label, at = (match[1] or match[2]).lower(), match.end()
    return list(found)
