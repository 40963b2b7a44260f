"""A workspace: one execution of a plan on a site, as a directory."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
from pathlib import Path

from console.conductor.compose import view
from console.conductor.errors import Unusable
from console.conductor.scene import Scene
from console.conductor.view import View
from console.journal import decisions
from console.journal.entries import Created
from console.journal.fold import State
from console.journal.store import Journal, JournalError
from console.plan.loading import Faults, load
from console.plan.types import Plan, Site
from operations.files import fsync_directory

JOURNAL = "journal.db"


class Workspace:
    """An open workspace: the plan and site that were copied into it, and its journal."""

    def __init__(self, path: Path, plan: Plan, site: Site, journal: Journal) -> None:
        self.path = path
        self.plan = plan
        self.site = site
        self.journal = journal
        self._scene: Scene | None = None
        self._view: tuple[int, datetime.date, View] | None = None

    @classmethod
    def create(cls, path: Path, plan: Path, site: Path, operator: str, start: datetime.date | None = None) -> Workspace:
        """Makes a workspace whole or not at all. Raises Unusable if the path is taken or plan or site have faults."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise Unusable(f"{path}: is there already and not empty; name another directory")
        loaded, where = _load(plan, site)
        created = Created(
            plan=loaded.id,
            version=loaded.version,
            plan_digest=loaded.digest,
            site=where.id,
            site_digest=where.digest,
            rehearsal=where.rehearsal,
            not_here=where.not_here,
            start=start or today(),
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.new."))
            try:
                _copy_plan(plan, temporary / "plan")
                shutil.copyfile(site, temporary / "site.toml")
                (temporary / "decisions").mkdir()
                Journal.create(temporary / JOURNAL, created, operator).close()
                temporary.chmod(0o755)
                os.rename(temporary, path)  # noqa: PTH104 - unlike Path.rename, takes an empty directory's place by intent
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            fsync_directory(path.parent)
        except (OSError, JournalError) as error:
            raise Unusable(f"{path}: can't make a workspace: {error}") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Workspace:
        """Raises Unusable if there is no whole workspace, or its copies are not those of the journal's first row."""
        if not (path / JOURNAL).is_file():
            raise Unusable(f"{path}: no workspace; make one with: gladiator-console init {path}")
        plan, site = _load(path / "plan", path / "site.toml")
        try:
            journal = Journal.open(path / JOURNAL)
        except JournalError as error:
            raise Unusable(str(error)) from error
        created = journal.state.created
        if created is None:
            raise Unusable(f"{path / JOURNAL}: has no first row")
        for what, found, asked in (
            ("plan", plan.digest, created.plan_digest),
            ("site.toml", site.digest, created.site_digest),
        ):
            if found != asked:
                raise Unusable(f"{path / what}: was changed since the workspace was made; put the original back")
        for taken in (t for made in journal.state.decisions.values() for t in made):
            decisions.publish(path / "decisions", taken.entry.file, taken.entry.file_sha256)
        return cls(path.absolute(), plan, site, journal)

    def close(self) -> None:
        self.journal.close()

    def changed(self) -> bool:
        """Whether another console wrote since the last look."""
        return self.journal.changed()

    def scene(self) -> Scene:
        """Plan, site and state now, others' rows included."""
        if self.journal.changed():
            self.journal.refresh()
        state = self.journal.state
        if self._scene is None or self._scene.sequence != state.sequence or self._scene.state is not state:
            self._scene = self.scene_of(state)
        return self._scene

    def scene_of(self, state: State) -> Scene:
        """A scene of a state at hand, for use inside a transaction."""
        return Scene(self.plan, self.site, state)

    def view(self) -> View:
        """What to show now; the same object while nothing has changed and the day is the same."""
        scene = self.scene()
        now = datetime.datetime.now(datetime.UTC)
        if self._view is None or self._view[:2] != (scene.state.sequence, now.date()):
            self._view = (scene.state.sequence, now.date(), view(scene, str(self.path), now))
        return self._view[2]


def today() -> datetime.date:
    """The day, UTC."""
    return datetime.datetime.now(datetime.UTC).date()


def _load(plan: Path, site: Path) -> tuple[Plan, Site]:
    """Both, fitting each other, or Unusable with the faults of both."""
    try:
        return load(plan, site)
    except Faults as faults:
        raise Unusable(*(str(fault) for fault in faults.faults)) from faults


def _copy_plan(plan: Path, target: Path) -> None:
    target.mkdir()
    for file in sorted(plan.glob("*.toml")):
        shutil.copyfile(file, target / file.name)
