"""The site in force is what the journal pinned; another one is adopted, by every console that is open."""

import asyncio
import datetime
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from console.conductor import workspace as module
from console.conductor.auditing import audit_workspace
from console.conductor.bind import Wish
from console.conductor.errors import Refused, Unusable
from console.conductor.rehearse import Rehearsal
from console.conductor.reporting import whole
from console.conductor.siting import allowed, differences
from console.conductor.verbs import Conductor
from console.conductor.workspace import ORIGINAL, Workspace
from console.journal.entries import Created, JobFinished, JobStarted, PlanAdopted, Row, SiteAdopted
from console.journal.fold import State
from console.plan.sites import Host, Site

STUB = Path(__file__).parents[2] / "stub"
MORE = ("steps = 100", "steps = 40")


@pytest.fixture
def path(tmp_path):
    Workspace.create(tmp_path / "w", STUB / "plan", STUB / "site.toml", "Ada").close()
    return tmp_path / "w"


@pytest.fixture
async def consoles(path):
    """Two on one workspace, Ada's and Bob's."""
    made = [Conductor(Workspace.open(path), name) for name in ("Ada", "Bob")]
    yield made
    for conductor in made:
        await conductor.close()


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def held(path: Path) -> tuple:
    """All that an adoption that is refused must leave as it was."""
    opened = Workspace.open(path)
    found = opened.journal.state.sequence, opened.site, opened.plan.digest
    opened.close()
    return (*found, sorted(file.name for file in (path / "adopted").rglob("*")))


def steps(conductor) -> object:
    found = conductor.workspace.view().tasks["count"].parameters
    return next(parameter.value for parameter in found if parameter.name == "steps")


@pytest.mark.parametrize("text", ["", "schema = [", 'schema = 1\nid = "x"', None])
def test_a_working_copy_of_any_kind_stops_nothing_and_is_shown(path, text):
    file = path / "site.toml"
    file.unlink() if text is None else file.write_text(text)
    opened = Workspace.open(path)
    assert opened.site.title == "stub rehearsal"
    assert opened.view().site_differs
    assert not opened.view().plan_differs
    opened.close()
    assert audit_workspace(path).faults == ()
    before = held(path)
    conductor = Conductor(Workspace.open(path), "Ada")
    with pytest.raises(Unusable, match=r"site\.toml") as faults:
        conductor.adopt()
    if text is None:
        assert str(next((path / "adopted").glob("site-*.toml"))) in str(faults.value)
    conductor.workspace.close()
    assert held(path) == before


async def test_every_console_takes_up_what_one_adopts(path, consoles):
    here, there = consoles
    assert (steps(here), steps(there)) == (100, 100)
    edit(path / "site.toml", *MORE)
    opened = Workspace.open(path)
    assert opened.view().site_differs
    opened.close()
    assert steps(here) == 100, "an edit is not in force"
    assert here.adopt() == ["site stub-rehearsal"]
    for conductor in consoles:
        assert steps(conductor) == 40
        assert not conductor.workspace.view().site_differs
    row = here.rows()[-1]
    assert (row.operator, row.entry) == ("Ada", SiteAdopted(site_digest=here.workspace.site.digest))
    assert audit_workspace(path).faults == ()
    before = held(path)
    for conductor in consoles:
        with pytest.raises(Refused, match="in force already"):
            conductor.adopt()
    assert held(path) == before


def test_whichever_differs_is_adopted_and_both_at_once(path):
    conductor = Conductor(Workspace.open(path), "Ada")
    edit(path / "plan" / "one.toml", 'title = "Count"', 'title = "Count on"')
    assert conductor.adopt() == ["plan v1.0"]
    edit(path / "plan" / "one.toml", 'title = "Count on"', 'title = "Count up"')
    edit(path / "site.toml", *MORE)
    assert conductor.adopt() == ["plan v1.0", "site stub-rehearsal"]
    assert [type(row.entry) for row in conductor.rows(1)] == [PlanAdopted, PlanAdopted, SiteAdopted]
    assert (conductor.workspace.view().tasks["count"].title, steps(conductor)) == ("Count up", 40)
    conductor.workspace.close()
    assert audit_workspace(path).faults == ()


def test_plan_and_site_must_fit_each_other(path):
    edit(path / "plan" / "one.toml", 'title = "Count"', 'title = "Count on"')
    edit(path / "site.toml", "[parameters.count]\nsteps", "[parameters.count]\nstops")
    conductor = Conductor(Workspace.open(path), "Ada")
    before = held(path)
    with pytest.raises(Unusable, match=r"^site\.toml:\d+: parameters\.count\.stops"):
        conductor.adopt()
    conductor.workspace.close()
    assert held(path) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "stub-rehearsal"', 'id = "elsewhere"', "is the site elsewhere, this workspace is on stub-rehearsal"),
        ("rehearsal = true", "rehearsal = false", "`rehearsal` can't change: the workspace was made as a rehearsal"),
        ("share one machine", "are slow", r"`not_here` can't change \(G1.speed\): it was said before the first job"),
        ("[not_here]", '[not_here]\n"G1.accuracy" = "no"', r"`not_here` can't change \(G1.accuracy\)"),
        ('"G1.speed" = "the hosts share one machine"', "", r"`not_here` can't change \(G1.speed\)"),
    ],
)
def test_what_was_said_beforehand_stays(path, old, new, said):
    edit(path / "site.toml", old, new)
    if "= false" in new:  # or it would be no sound site at all
        edit(path / "site.toml", '[not_here]\n"G1.speed" = "the hosts share one machine"', "")
    if "accuracy" in new:
        edit(path / "plan" / "one.toml", 'kind = "software"', 'kind = "facility"')
    before = held(path)
    conductor = Conductor(Workspace.open(path), "Ada")
    with pytest.raises(Refused, match=said) as refused:
        conductor.adopt()
    assert "\n" not in str(refused.value)
    conductor.workspace.close()
    assert held(path) == before


def with_job(*, ended: bool) -> State:
    """A journal of one job of ``make`` on A, which is open or has ended."""
    created = Created(
        plan="p", version="1", plan_digest="", site="s", site_digest="", rehearsal=False, not_here={},
        start=datetime.date(2025, 10, 16),
    )  # fmt: skip
    started = JobStarted(
        job="j1", task="make", round=1, occurrence="", role="", host="A", attempt=1, operation="dataset.sample",
        parameters={}, inputs=[],
    )  # fmt: skip
    end = JobFinished(
        job="j1", outcome="done", reason="", signal="", measures=[], artefacts=[], events_bytes=0, events_sha256=""
    )
    state = State()
    for sequence, entry in enumerate([created, started, *([end] if ended else [])], 1):
        state.apply(Row(sequence=sequence, previous="", time="", operator="Ada", entry=entry), "")
    return state


def site(**changed) -> Site:
    host = {"link": "ssh", "root": "/a", "address": "a", "container": "c", "container_root": "/in", **changed}
    return Site(schema=1, id="s", title="t", host={"A": Host(**host), "B": Host(root="b")})


INSIDE = {"contained": ["dataset.*"]}
NO_A = Site(schema=1, id="s", title="t", host={"B": Host(root="b")})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (site(), NO_A, "host A can't change while job j1 of make is open there"),
        (site(), site(root="/b"), "host A's root can't change while job j1"),
        (site(), site(link="local"), "host A's link can't change while job j1"),
        (site(), site(**INSIDE), "host A's contained can't change while job j1"),
        (site(**INSIDE), site(container="d", **INSIDE), "host A's container can't change while job j1"),
        (site(**INSIDE), site(container_root="/d", **INSIDE), "host A's container_root can't change while job j1"),
    ],
)
def test_where_the_files_of_an_open_job_are_stays(old, new, said):
    with pytest.raises(Refused, match=said):
        allowed(old, new, with_job(ended=False), "site.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (site(), NO_A, "host A can't change: job j1 of make ran there"),
        (site(), site(link="local"), "host A's link can't change: job j1 of make ran there"),
        (site(link="local"), site(link="local", **INSIDE), "host A's contained can't change: job j1"),
        (site(), site(root="/b"), ""),
        (site(), site(**INSIDE), ""),
    ],
)
def test_where_evidence_is_read_stays(old, new, said):
    state = with_job(ended=True)
    if said:
        with pytest.raises(Refused, match=said):
            allowed(old, new, state, "site.toml")
    else:
        allowed(old, new, state, "site.toml")


def test_all_else_may_change_while_a_job_is_open():
    other = site(
        address="b", port=22, user="u", identity="i", known_hosts="k", jump="j", python="p", docker="d",
        wired="10.0.0.1", threads=2, about="x", machine="m", container="d",
    )  # fmt: skip
    other = msgspec.structs.replace(other, zone="Europe/Paris", sign_key="k", parameters={"make": {"samples": 1}})
    other.host.pop("B")
    allowed(site(), other, with_job(ended=False), "site.toml")
    said = differences(site(), other)
    assert 'host.A.address: "a" → "b"' in said
    assert "parameters.make.samples: - → 1" in said
    assert 'host.B.root: "b" → -' in said


def test_an_adoption_that_is_cut_is_none_and_can_be_made_again(path, monkeypatch):
    before = Workspace.open(path).site
    edit(path / "site.toml", *MORE)

    class Cut(BaseException):
        pass

    def cut(**_):
        raise Cut

    with monkeypatch.context() as cutting:
        cutting.setattr(module, "SiteAdopted", cut)
        with pytest.raises(Cut):
            Workspace.open(path).adopt("Ada")
    assert len(list((path / "adopted").glob("site-*.toml"))) == 2, "the file was written, the row was not"
    opened = Workspace.open(path)
    assert opened.site == before
    assert opened.view().site_differs
    assert audit_workspace(path).faults == ()
    _, adopted = opened.adopt("Ada")
    assert adopted.parameters["count"]["steps"] == 40
    assert Workspace.open(path).site == adopted


def test_a_copy_that_changes_under_the_adoption_is_not_taken(path, monkeypatch):
    edit(path / "site.toml", *MORE)
    load = module._load

    def meanwhile(*given):
        found = load(*given)
        edit(path / "site.toml", "steps = 40", "steps = 41")
        return found

    opened, before = Workspace.open(path), held(path)
    with monkeypatch.context() as patched:
        patched.setattr(module, "_load", meanwhile)
        with pytest.raises(Refused, match="was changed just now; adopt it again"):
            opened.adopt("Ada")
    assert held(path) == before
    assert opened.adopt("Ada")[1].parameters["count"]["steps"] == 41


def test_a_workspace_of_an_earlier_version_opens_and_goes_there_and_back(path):
    (kept,) = (path / "adopted").glob("site-*.toml")
    kept.rename(path / ORIGINAL)
    opened = Workspace.open(path)
    first = opened.site
    assert not opened.site_differs()
    edit(path / "site.toml", *MORE)
    opened.adopt("Ada")
    assert Workspace.open(path).site != first
    assert audit_workspace(path).faults == ()
    shutil.copyfile(path / ORIGINAL, path / "site.toml")
    opened.adopt("Ada")
    assert Workspace.open(path).site == first
    assert audit_workspace(path).faults == ()


@pytest.mark.parametrize("forge", [lambda file: edit(file, "steps = ", "steps = 1"), Path.unlink])
def test_a_site_in_force_that_was_touched_is_not_opened_and_named_by_the_audit(path, forge):
    first = next((path / "adopted").glob("site-*.toml"))
    edit(path / "site.toml", *MORE)
    opened = Workspace.open(path)
    opened.adopt("Ada")
    opened.close()
    second = next(file for file in (path / "adopted").glob("site-*.toml") if file != first)
    forge(second)
    with pytest.raises(Unusable, match=second.name):
        Workspace.open(path)
    assert second.name in audit_workspace(path).faults[0]
    shutil.copyfile(path / "site.toml", second)
    forge(first)
    Workspace.open(path).close()
    (fault,) = audit_workspace(path).faults
    assert first.name in fault, "what was in force is evidence of what was done by it"


async def test_nothing_starts_by_the_site_before(path, consoles):
    here, there = consoles
    seen = there.workspace.scene()
    edit(path / "site.toml", "[parameters.count]", "[parameters.make]\nlines = 20\n\n[parameters.count]")
    here.adopt()
    with pytest.raises(Refused, match="another plan or site was put in force just now"):
        there.runs._journalled("Bob", seen, "make", Wish({}))
    assert not there.workspace.scene().state.jobs
    (job,) = await there.start("make")
    assert there.workspace.journal.state.jobs[job].started.parameters["lines"] == 20
    await asyncio.wait_for(there.runs.see_to_end(job), 30)


async def test_decisions_and_what_was_measured_stay_and_the_report_tells_of_it(path, consoles):
    here, there = consoles

    def tell(step):
        if step.id == "make":  # a rehearsal in flight goes on by what another console adopts
            edit(path / "site.toml", *MORE)
            there.adopt()

    ending = await asyncio.wait_for(Rehearsal(here, {}, tell).through("G1"), 60)
    assert ending.kind == "through"
    before = here.workspace.view()
    assert next(r.value for r in before.tasks["count"].records if r.slug == "steps") == 40
    edit(path / "site.toml", "steps = 40", "steps = 60")
    there.adopt()
    after = here.workspace.view()
    assert after.gates["G1"].state == "go"
    assert not after.gates["G1"].stale
    assert [(t.id, t.state, t.stale) for t in after.tasks.values()] == [
        (t.id, t.state, t.stale) for t in before.tasks.values()
    ]
    told = whole(here, "markdown")
    assert "another site adopted by Bob" in told
    assert "parameters.count.steps: 100 → 40" in told
    assert "parameters.count.steps: 40 → 60" in told
    assert [adopted.what for adopted in here.timeline().adopted] == ["another site adopted by Bob"] * 2


async def test_a_job_goes_on_under_another_site(path, consoles):
    here, there = consoles
    (job,) = await here.start("make", {"lines": 10})
    await asyncio.wait_for(here.runs.see_to_end(job), 30)
    for started in await here.start("bring"):
        await asyncio.wait_for(here.runs.see_to_end(started), 30)
    (job,) = await here.start("count", {"steps": 300, "pause": 0.005})
    ending = asyncio.create_task(here.runs.see_to_end(job))
    edit(path / "site.toml", 'root = "hosts/ALPHA"', 'root = "hosts/OTHER"')
    before = held(path)
    with pytest.raises(Refused, match=f"host ALPHA's root can't change while job {job} of count is open there"):
        there.adopt()
    assert held(path) == before
    edit(path / "site.toml", 'root = "hosts/OTHER"', f'root = "hosts/ALPHA"\npython = "{sys.executable}"')
    there.adopt()
    await asyncio.wait_for(ending, 30)
    count = here.workspace.view().tasks["count"]
    assert (count.state, next(r.value for r in count.records if r.slug == "steps")) == ("done", 300)
    assert here.workspace.site.host["ALPHA"].python == sys.executable


def test_the_commands_say_what_differs_and_what_was_adopted(path):
    def program(*arguments):
        return subprocess.run(
            [sys.executable, "-P", "-m", "console", *arguments], capture_output=True, text=True, check=False, timeout=60
        )

    edit(path / "site.toml", *MORE)
    told = program("status", path).stdout
    assert f"site.toml differs from what is in force: gladiator-console adopt {path}" in told
    adopted = program("adopt", path, "--operator", "Bob")
    assert adopted.stdout.splitlines() == [
        "site stub-rehearsal is in force, adopted by Bob",
        "  parameters.count.steps: 100 → 40",
    ]
    assert program("adopt", path, "--operator", "Bob").returncode == 1
    (path / "site.toml").write_text("schema = [")
    faulty = program("adopt", path, "--operator", "Bob")
    assert (faulty.returncode, faulty.stderr.count("\n")) == (2, 1)
    assert "another site adopted by Bob" in program("timeline", path).stdout
