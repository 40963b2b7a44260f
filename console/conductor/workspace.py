"""A workspace: one execution of a plan on a site, as a directory."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import replace

from console import clock
from console.conductor.compose import view
from console.conductor.errors import Refused, Unusable
from console.conductor.scene import Scene
from console.conductor.view import View
from console.journal import decisions
from console.journal.entries import AnyEntry, Created, PlanAdopted, SiteAdopted
from console.journal.fold import State
from console.journal.store import Journal, JournalError
from console.plan import compiled
from console.plan.loading import Faults, load, reload, reload_site
from console.plan.sites import Site
from console.plan.types import Plan
from operations.files import fsync_directory, write_atomic

JOURNAL = "journal.db"
COMPILED = "plan.msgpack"
ORIGINAL = "adopted/site.toml"
"""Where a workspace of earlier versions keeps the site that it was made with."""


class Workspace:
    """An open workspace: the plan and site in force, which were copied into it, and its journal."""

    def __init__(self, path: Path, plan: Plan, site: Site, journal: Journal) -> None:
        self.path = path
        self.plan = plan
        self.site = site
        self.journal = journal
        self._scene: Scene | None = None
        self._view: View | None = None
        self._tell: list[Callable[[Site], None]] = []

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
            start=start or clock.today(),
            compiled=_sha256(compiled.encode(loaded)),
        )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = _beside(path)
            try:
                _copy_plan(plan, temporary / "plan")
                _put_in_force(plan, loaded, temporary)
                shutil.copyfile(site, temporary / "site.toml")
                shutil.copyfile(site, _kept(temporary, where.digest))
                (temporary / "decisions").mkdir()
                Journal.create(temporary / JOURNAL, created, operator).close()
                os.rename(temporary, path)  # noqa: PTH104 - unlike Path.rename, takes an empty directory's place by intent
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            fsync_directory(path.parent)
        except (OSError, JournalError) as error:
            raise Unusable(f"{path}: can't make a workspace: {error}") from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path) -> Workspace:
        """Raises Unusable if there is no whole workspace, or what is in force there is not what the journal says."""
        if not (path / JOURNAL).is_file():
            raise Unusable(_no_workspace(path))
        try:
            journal = Journal.open(path / JOURNAL)
        except JournalError as error:
            raise Unusable(str(error)) from error
        if journal.state.created is None:
            raise Unusable(f"{path / JOURNAL}: has no first row")
        plan, site = _in_force(path, journal.state)
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
        self._follow(state)
        known = self._scene
        if (
            known is None
            or known.sequence != state.sequence
            or known.state is not state
            or _minute(known.now) != _minute(clock.now())
        ):
            self._scene, self._view = Scene(self.plan, self.site, state, clock.now()), None
        assert self._scene is not None
        return self._scene

    def scene_of(self, state: State) -> Scene:
        """A scene of a state at hand, with what it says is in force, for use inside a transaction."""
        self._follow(state)
        return Scene(self.plan, self.site, state, clock.now())

    def _follow(self, state: State) -> None:
        """Takes up what was put in force since, here or by another console."""
        if (state.plan_digest, state.site_digest) == (self.plan.digest, self.site.digest):
            return
        before = self.site.digest
        self.plan, self.site = _in_force(self.path, state)
        if self.site.digest != before:
            for tell in self._tell:
                tell(self.site)

    def on_site(self, tell: Callable[[Site], None]) -> None:
        """Tells each site that is put in force from now on, before anything is done by it."""
        self._tell.append(tell)

    def view(self) -> View:
        """What to show now; the same object while nothing has changed and the minute is the same."""
        scene = self.scene()
        if self._view is None:
            self._view = replace(
                view(scene, str(self.path)), plan_differs=self.plan_differs(), site_differs=self.site_differs()
            )
        return self._view

    def plan_differs(self) -> bool:
        """Whether the files under ``plan/`` are others than those of the plan in force."""
        return _files(self.path / "plan") != _files(_adopted(self.path, self.plan.digest))

    def site_differs(self) -> bool:
        """Whether ``site.toml`` is another file than that of the site in force, or gone."""
        try:
            return _sha256((self.path / "site.toml").read_bytes()) != self.site.digest
        except OSError:
            return True

    def site_of(self, digest: str) -> Site:
        """A site that is or was in force. Raises Unusable if its file is gone, or not what the journal says."""
        return _site(site_file(self.path, self.journal.state, digest), digest)

    def adopt(self, operator: str) -> tuple[Plan | None, Site | None]:
        """Puts ``plan/`` and ``site.toml`` in force, for this and every other console.

        Returns those that differed, else None, at least one of them. Raises Unusable with their faults, or Refused.
        """
        from console.conductor.siting import allowed

        if not (self.path / "site.toml").exists():
            kept = site_file(self.path, self.journal.state, self.site.digest)
            raise Unusable(f"{self.path / 'site.toml'}: no such file; the site in force is {kept}: copy it back")
        plan, site = _load(self.path / "plan", self.path / "site.toml")
        taken: list[tuple[Plan | None, Site | None]] = []

        def build(state: State) -> list[tuple[str | None, AnyEntry]]:
            self._follow(state)
            other_plan = plan if plan.digest != state.plan_digest else None
            other_site = site if site.digest != state.site_digest else None
            if not (other_plan or other_site):
                raise Refused(f"{self.path}: its plan/ and site.toml are in force already")
            if other_plan:
                self._executes(other_plan, state)
            if other_site:
                allowed(self.site, other_site, state, str(self.path / "site.toml"))
            rows: list[tuple[str | None, AnyEntry]] = []
            if other_plan:
                if not _adopted(self.path, plan.digest).exists():
                    _put_in_force(self.path / "plan", plan, self.path)
                digest = _sha256(compiled.encode(plan))
                rows.append((None, PlanAdopted(version=plan.version, plan_digest=plan.digest, compiled=digest)))
            if other_site:
                _keep_site(self.path, site.digest)
                rows.append((None, SiteAdopted(site_digest=site.digest)))
            taken[:] = [(other_plan, other_site)]
            return rows

        self.journal.append(operator, build)
        self._follow(self.journal.state)
        return taken[0]

    def _executes(self, plan: Plan, state: State) -> None:
        """Raises Refused unless it is this workspace's plan, and has all that runs."""
        if plan.id != self.plan.id:
            raise Refused(f"{self.path / 'plan'}: is the plan {plan.id}, this workspace executes {self.plan.id}")
        orphaned = sorted({j.started.task for j in state.open_jobs()} - plan.task.keys())
        if orphaned:
            raise Refused(f"{', '.join(orphaned)} is running and not in that plan: stop it first")


def _no_workspace(path: Path) -> str:
    if path.is_file():
        return f"{path}: is a file, no workspace"
    if path.is_dir() and any(path.iterdir()):
        return f"{path}: no workspace: {JOURNAL} is not in it"
    return f"{path}: no workspace; make one with: gladiator-console init {path}"


def _minute(moment: datetime.datetime) -> datetime.datetime:
    return moment.replace(second=0, microsecond=0)


def _load(plan: Path, site: Path, read: Callable[[Path, Path], tuple[Plan, Site]] = load) -> tuple[Plan, Site]:
    """Both, fitting each other, or Unusable with the faults of both."""
    try:
        return read(plan, site)
    except Faults as faults:
        raise Unusable(*(str(fault) for fault in faults.faults)) from faults


def _in_force(path: Path, state: State) -> tuple[Plan, Site]:
    """The plan and the site that the journal says are in force. Raises Unusable.

    What was compiled is taken if it is what the journal pins; else, as with another version of the program, the TOML.
    """
    home, where = _adopted(path, state.plan_digest), site_file(path, state, state.site_digest)
    for needed in (home, where):
        if not needed.exists():
            raise Unusable(f"{needed}: is gone; put it back from a copy of the workspace")
    with contextlib.suppress(OSError, ValueError):
        data = (home / COMPILED).read_bytes()
        if state.compiled and _sha256(data) == state.compiled:
            plan = compiled.decode(data)
            if plan.digest == state.plan_digest:
                return plan, _site(where, state.site_digest)
    plan, site = _load(home, where, reload)
    if plan.digest != state.plan_digest:
        raise Unusable(f"{home}: is not the plan that was adopted")
    return plan, _pinned(where, site, state.site_digest)


def _site(path: Path, digest: str) -> Site:
    try:
        return _pinned(path, reload_site(path), digest)
    except Faults as faults:
        raise Unusable(*(str(fault) for fault in faults.faults)) from faults


def _pinned(path: Path, site: Site, digest: str) -> Site:
    if site.digest != digest:
        raise Unusable(f"{path}: is not the site that was put in force; put it back from a copy of the workspace")
    return site


def site_file(path: Path, state: State, digest: str) -> Path:
    """Where a workspace keeps the file of a site that is or was in force."""
    kept, original = _kept(path, digest), path / ORIGINAL
    first = state.created is not None and state.created.site_digest == digest
    return original if first and original.exists() and not kept.exists() else kept


def _kept(path: Path, digest: str) -> Path:
    return path / "adopted" / f"site-{digest[:16]}.toml"


def _keep_site(path: Path, digest: str) -> None:
    """Keeps ``site.toml`` as what was examined. Raises Refused if it is another by now, or can't be kept."""
    try:
        data = (path / "site.toml").read_bytes()
        if _sha256(data) != digest:
            raise Refused(f"{path / 'site.toml'}: was changed just now; adopt it again")
        write_atomic(_kept(path, digest), data)
    except OSError as error:
        raise Refused(f"{path / 'site.toml'}: can't be kept: {error}") from error


def _adopted(path: Path, digest: str) -> Path:
    """Where a workspace keeps the files of a plan that is or was in force."""
    return path / "adopted" / digest[:16]


def _put_in_force(plan: Path, loaded: Plan, path: Path) -> None:
    """Copies a plan's files into the workspace, and lays the compiled plan beside them."""
    files = {**_files(plan), COMPILED: compiled.encode(loaded)}
    _copy_files(files, _adopted(path, loaded.digest))


def _copy_plan(plan: Path, target: Path) -> None:
    """Copies a plan's files to a directory that appears whole."""
    _copy_files(_files(plan), target)


def _copy_files(files: Mapping[str, bytes], target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    temporary = _beside(target)
    for name, data in files.items():
        write_atomic(temporary / name, data)
    temporary.rename(target)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _beside(path: Path) -> Path:
    """A new, empty directory to be renamed to ``path``."""
    made = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    made.mkdir()
    return made


def _files(plan: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(plan.glob("*.toml"))}
