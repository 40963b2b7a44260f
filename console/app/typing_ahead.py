"""Keys in the order in which they were typed: each goes to what has the focus once all before it are done with.

Textual hands a key at once to the widget that has the focus, and looks its binding up only after it has climbed from
there to the app. Of keys that come in a burst, as over a slow line, all would reach the widget that had the focus
before the first of them.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual.dom import DOMNode
from textual.events import Event

if TYPE_CHECKING:
    from console.app.app import ConsoleApp

PATIENCE = 10.0
"""Seconds after which the next key no longer waits, whatever the one before may be waiting for."""
LOOK = 0.2
"""Seconds between two looks at whether the widget that a key has reached is still there to say that it is done."""


class TypingAhead:
    """Holds keys back while the one before is under way."""

    def __init__(self, app: ConsoleApp, give: Callable[[Event], Awaitable[None]]) -> None:
        self._app = app
        self._give = give
        self._waiting: deque[Event] = deque()
        self._under_way = 0
        """The number of the key that is under way; 0 for none."""
        self._number = 0
        self._since = 0.0
        self._at: DOMNode = app
        """The widget that the key has reached."""

    @property
    def idle(self) -> bool:
        """Whether every key that came is done with."""
        return not (self._waiting or self._under_way)

    async def take(self, event: Event) -> None:
        """A key or a paste from the terminal."""
        self._waiting.append(event)
        await self.go_on()

    async def go_on(self) -> None:
        """Gives the next key its way, if the one before is done with, or got lost with a widget that went away."""
        if self._under_way and self._at.is_running and time.monotonic() - self._since < PATIENCE:
            return
        if not self._waiting:
            self._under_way = 0
            return
        event = self._waiting.popleft()
        self._number += 1
        self._under_way, self._since = self._number, time.monotonic()
        start: DOMNode = self._app.focused or self._app.screen
        await self._give(event)
        self._climb(start, self._number, (start, self._app))

    def _climb(self, node: DOMNode, number: int, after: tuple[DOMNode, ...]) -> None:
        """From widget to widget up to the app, each time behind what was sent there before.

        Three times: behind the key; from the same widget behind what its action sent; from the screen that is on top
        by then, which takes its focus before it comes to this.
        """
        if number != self._under_way:
            return
        self._at = node
        if node is self._app or not node.call_later(self._climb, node.parent or self._app, number, after):
            self._at = self._app
            self._app.call_later(self._at_the_top, number, after)

    async def _at_the_top(self, number: int, after: tuple[DOMNode, ...]) -> None:
        if number != self._under_way:
            return
        if after:
            start = self._app.screen if after[0] is self._app else after[0]
            self._climb(start, number, after[1:])
            return
        self._under_way = 0
        await self.go_on()
