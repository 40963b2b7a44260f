"""The command palette: any task by name, any verb, any pane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from console.app import keys
from console.text import clean

if TYPE_CHECKING:
    from console.app.app import ConsoleApp


class ConsoleCommands(Provider):
    """Everything the keys do, and going to a task."""

    def _all(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        app: ConsoleApp = self.app  # type: ignore[assignment]
        for binding in keys.CONSOLE:
            if isinstance(binding, Binding) and binding.tooltip:
                yield binding.description, binding.tooltip, partial(self._act, binding.action)
        for task in app.view.tasks.values():
            yield f"{task.id}  {clean(task.title)}", f"go to this task, {task.state}", partial(self._go, task.id)

    async def _act(self, action: str) -> None:
        await self.app.run_action(action, default_namespace=self.screen)

    def _go(self, task: str) -> None:
        app: ConsoleApp = self.app  # type: ignore[assignment]
        app.console_screen.go(task)
        app.console_screen.turn("task")

    async def discover(self) -> Hits:
        for name, about, run in self._all():
            yield DiscoveryHit(Content(name), run, text=name, help=about)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for name, about, run in self._all():
            if (score := matcher.match(f"{name} {about}")) > 0:
                yield Hit(score, Content(name), run, text=name, help=about)
