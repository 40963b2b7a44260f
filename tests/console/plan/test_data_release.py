"""The second plan that ships: ten tasks, one gate, commands only, from a folder to a release. No GLADIATOR in it."""

import asyncio
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from console.conductor.errors import Refused
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.plan.loading import load, shipped

PLAN, SITE = shipped("data-release"), shipped("sites/this-machine.toml")
SECRET = "write to ada@example.org\n"


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-P", "-c", "from console.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
async def conductor(tmp_path):
    made = command("init", tmp_path / "w", "--plan", PLAN, "--site", SITE)
    assert made.returncode == 0, made.stderr
    assert "Release a data set v1.0 on This machine" in made.stdout
    data = tmp_path / "w" / "hosts" / "HERE" / "data"
    data.mkdir(parents=True)
    (data / "README").write_text("Heights of trees, in metres.\n")
    for name in ("oak", "elm tree"):
        (data / f"{name}.csv").write_text("id,height\n" + "".join(f"{n},{n / 7:.2f}\n" for n in range(100)))
    opened = Conductor(Workspace.open(tmp_path / "w"), "Ada")
    yield opened
    await opened.close()


async def run(conductor, task: str, *, again: bool = False):
    for job in await conductor.start(task, again=again):
        await asyncio.wait_for(conductor.runs.see_to_end(job), 30)
    return conductor.workspace.view().tasks[task]


async def prepare(conductor) -> None:
    conductor.tick("collect", "collected")
    for task in ("list", "rows", "pack", "check", "private"):
        found = await run(conductor, task)
        assert found.state == "done", (task, found.why)
    conductor.record("consent", "given", "yes")
    conductor.record("consent", "licence", "CC-BY-4.0")


def value(conductor, task: str, slug: str):
    return next(r.value for r in conductor.workspace.view().tasks[task].records if r.slug == slug)


def test_it_is_ten_tasks_and_one_gate_and_knows_no_gladiator():
    plan, site = load(PLAN, SITE)
    assert (len(plan.task), list(plan.gate), site.rehearsal) == (10, ["OUT"], False)
    text = "".join(file.read_text() for file in (*PLAN.glob("*.toml"), SITE))
    assert "gladiator" not in text.lower()
    assert {task.operation for task in plan.task.values()} == {"", "host.shell"}


async def test_from_a_folder_to_a_release(conductor):
    view = conductor.workspace.view()
    assert {id for id, task in view.tasks.items() if task.state == "ready"} == {"collect"}
    await prepare(conductor)
    assert (value(conductor, "list", "files"), value(conductor, "rows", "rows")) == (3, 200)
    assert (value(conductor, "check", "entries"), value(conductor, "private", "lines")) == (4, 0)
    gate = conductor.workspace.view().gates["OUT"]
    assert [c.met for c in gate.criteria] == [True, True, True, True]
    conductor.decide("OUT", "go", "nothing private, everyone agreed")
    view = conductor.workspace.view()
    assert (view.tasks["publish"].state, view.tasks["mend"].state) == ("ready", "locked")
    conductor.tick("publish", "published")
    conductor.record("publish", "address", "https://data.example/trees.tar")
    assert conductor.workspace.view().tasks["publish"].state == "done"
    archive = next((conductor.workspace.path / "hosts/HERE").rglob("data.tar"))
    with tarfile.open(archive) as packed:
        assert "data/elm tree.csv" in packed.getnames()


async def test_something_private_ends_no_go_and_only_a_new_archive_mends_it(conductor):
    leaking = conductor.workspace.path / "hosts/HERE/data/README"
    leaking.write_text(SECRET)
    await prepare(conductor)
    assert value(conductor, "private", "lines") == 1
    with pytest.raises(Refused, match="private"):
        conductor.decide("OUT", "go", "nobody will look")
    conductor.decide("OUT", "no-go", "an address is in the README")
    view = conductor.workspace.view()
    assert (view.tasks["publish"].state, view.tasks["mend"].state) == ("locked", "ready")
    assert "OUT" in view.tasks["publish"].why[0]

    leaking.write_text("Heights of trees, in metres.\n")
    conductor.record("mend", "mended", "address taken out of the README")
    await run(conductor, "private", again=True)
    assert value(conductor, "private", "lines") == 1, "the archive is the old one"
    await run(conductor, "pack", again=True)
    assert conductor.workspace.view().tasks["private"].stale
    with pytest.raises(Refused, match="stale"):
        conductor.decide("OUT", "go", "packed anew", again=True)
    for task in ("check", "private"):
        await run(conductor, task, again=True)
    conductor.decide("OUT", "go", "packed anew and looked through", again=True)
    view = conductor.workspace.view()
    assert (view.gates["OUT"].state, view.tasks["publish"].state) == ("go", "ready")


async def test_without_consent_nothing_goes_out(conductor):
    conductor.tick("collect", "collected")
    for task in ("list", "rows", "pack", "check", "private"):
        await run(conductor, task)
    conductor.record("consent", "licence", "CC-BY-4.0")
    with pytest.raises(Refused, match="consent"):
        conductor.decide("OUT", "go", "they won't mind")
    conductor.record("consent", "given", "no")
    with pytest.raises(Refused, match="consent"):
        conductor.decide("OUT", "go", "they said no")


async def test_a_command_that_fails_can_be_run_again(conductor):
    conductor.tick("collect", "collected")
    await run(conductor, "list")
    data = conductor.workspace.path / "hosts/HERE/data"
    data.rename(data.with_name("elsewhere"))
    failed = await run(conductor, "pack")
    assert failed.state == "failed"
    assert failed.why[0].startswith("tar ended with status ")
    data.with_name("elsewhere").rename(data)
    assert (await run(conductor, "pack")).state == "done"
