"""What the program itself writes for a task: files made of the journal, laid beside the task as evidence."""

from __future__ import annotations

from functools import partial

from console.conductor import attachments, reporting
from console.conductor.errors import Refused
from console.conductor.given import task_of
from console.conductor.ready import task_state
from console.conductor.scene import Scene
from console.conductor.verbs import Conductor
from console.journal.entries import Attached


def write(conductor: Conductor, task: str, *, again: bool) -> list[str]:
    """Writes each file that the task's records ask for; returns their paths in the workspace. Raises Refused."""
    scene = conductor.workspace.scene()
    asked = task_of(scene, task)
    wanted = dict.fromkeys(record.written for record in asked.record.values() if record.written)
    if not wanted:
        raise Refused(f"{task} has no operation: a person does it")
    _may(scene, task, again=again)
    made = []
    for what in wanted:
        text = reporting.whole(conductor, "html")
        kept = attachments.keep_bytes(conductor.workspace.path, f"{what}.html", text.encode())
        row = Attached(
            task=task,
            round=scene.round(task),
            name=f"{what}.html",
            file=kept.file,
            sha256=kept.sha256,
            size=kept.size,
            written=what,
        )
        conductor.append(partial(_row, row))
        made.append(f"attachments/{kept.file}")
    return made


def _row(row: Attached, _scene: Scene) -> Attached:
    return row


def _may(scene: Scene, task: str, *, again: bool) -> None:
    state, why = task_state(scene, task)
    if state in ("locked", "skipped"):
        raise Refused(f"{task} is {state}: {'; '.join(why)}")
    if state == "done" and not again:
        raise Refused(f"{task} is done; write it anew with --again")
