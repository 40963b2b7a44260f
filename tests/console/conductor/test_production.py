"""From models to a GO for one package and no other, on a rehearsal: package, report, checklist, decision."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from console.conductor.errors import Refused
from console.conductor.parameters import BadParameter, checked
from console.conductor.rehearse import Rehearsal
from console.conductor.reporting import whole
from console.conductor.verbs import Conductor
from console.conductor.why import speaks, why
from console.conductor.workspace import Workspace
from console.journal.audit import audit

PLAN = Path(__file__).parents[2] / "stub" / "production"
UNPROVEN = "not proven here: N throughput: there is no link"


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    path = tmp_path_factory.mktemp("production") / "w"
    conductor = Conductor(Workspace.create(path, PLAN, PLAN / "site.toml", "Ada"), "Ada")
    told = []

    async def through():
        ending = await asyncio.wait_for(Rehearsal(conductor, {}, told.append).through("P"), 120)
        await conductor.close()
        return ending

    return path, asyncio.run(through()), told


@pytest.fixture
def conductor(rehearsed, tmp_path):
    shutil.copytree(rehearsed[0], tmp_path / "w")
    made = Conductor(Workspace.open(tmp_path / "w"), "Ada")
    yield made
    made.workspace.close()


def program(*arguments):
    command = [sys.executable, "-P", "-m", "console", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ})


def made(conductor, name):
    job = conductor.workspace.scene().latest("pack")[""]
    return conductor.workspace.path / "hosts" / "ALPHA" / job.artefact(name).path


def test_it_goes_through_to_a_go_that_says_what_was_not_proven(rehearsed, conductor):
    _, ending, told = rehearsed
    assert (ending.kind, ending.at) == ("through", "P"), ending
    view = conductor.workspace.view()
    assert {id: view.tasks[id].state for id in ("pack", "report", "check", "decide")} == {
        "pack": "done",
        "report": "done",
        "check": "skipped",
        "decide": "done",
    }
    assert view.gates["N"].state == "passed-over"
    assert view.gates["N"].criteria[0].met is False, "its true verdict"
    assert view.gates["P"].decision.reads == f"GO (rehearsal); {UNPROVEN}"
    assert any(UNPROVEN in step.what for step in told if step.id == "P")


def test_the_decision_binds_the_package_and_says_what_was_not_proven(conductor):
    gate = conductor.workspace.view().gates["P"]
    digest = subprocess.run(
        ["sha256sum", made(conductor, "package") / "MANIFEST.sha256"], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    decision = tomli.loads((conductor.workspace.path / "decisions" / gate.decision.file).read_text())
    assert decision["outcome"] == "GO (rehearsal)"
    assert decision["bound"] == f"digest of pack: {digest}" == gate.decision.bound
    assert decision["not_proven_here"] == ["N throughput: there is no link"]
    assert any(digest in line for line in why(conductor, "P"))


def test_the_report_of_the_whole_is_written_kept_and_audited(conductor):
    record = next(iter(conductor.workspace.view().tasks["report"].records))
    assert (record.typed, record.written, record.source) == (False, True, "Ada")
    text = (conductor.workspace.path / record.value).read_text()
    for expected in ("REHEARSAL", "480 of 500", "Package", "there is no link", "head SHA-256"):
        assert expected in text
    after = whole(conductor, "markdown").replace("\\", "")
    assert f"GO (rehearsal); {UNPROVEN}. By rule" in after
    assert f"For this and nothing else: {conductor.workspace.view().gates['P'].bound}." in after
    roots = {"ALPHA": conductor.workspace.path / "hosts" / "ALPHA"}
    found = audit(conductor.workspace.path / "journal.db", conductor.workspace.path / "decisions", roots, {})
    assert not [fault for fault in found.faults if "attachment" in fault or "artefact" in fault]
    (conductor.workspace.path / record.value).write_text("another")
    found = audit(conductor.workspace.path / "journal.db", conductor.workspace.path / "decisions", roots, {})
    assert any("attachment" in fault and "was changed" in fault for fault in found.faults)


def test_each_deliverable_shows_what_speaks_for_it(conductor):
    shown = {held.id: held.evidence for held in conductor.workspace.view().tasks["check"].deliverables}
    assert shown["D-1"] == ("silent_analyzer accuracy: 480 of 500 = 96.0 %, expected ≥ 0.9",)
    assert shown["D-2"][0] == "pack verified: yes, expected = yes"
    assert shown["D-3"] == (
        "N Network: passed-over",
        "N throughput: 1 Gbit/s, asks ≥ 9.5 Gbit/s: NOT met, gates nothing here",
    )
    assert any("480 of 500" in line for line in speaks(conductor, "check"))


async def test_another_package_makes_decision_and_report_stale(conductor):
    for job in await conductor.start("pack", again=True):
        await asyncio.wait_for(conductor.runs.see_to_end(job), 60)
    view = conductor.workspace.view()
    assert view.gates["P"].stale
    assert view.tasks["report"].stale == ("pack has ended again since it was written",)
    with pytest.raises(Refused, match="written by the program"):
        conductor.record("report", "report", "somewhere")
    with pytest.raises(Refused, match="write it anew with --again"):
        conductor.write("report")
    conductor.write("report", again=True)
    assert conductor.workspace.view().tasks["report"].stale == ()
    await conductor.hosts.close()


async def test_without_a_package_there_is_nothing_to_decide_on(tmp_path):
    fresh = Conductor(Workspace.create(tmp_path / "w", PLAN, PLAN / "site.toml", "Ada"), "Ada")
    gate = fresh.workspace.view().gates["P"]
    assert gate.bound == ""
    assert "pack has no digest yet, and the decision is for that alone" in gate.why_not
    with pytest.raises(Refused, match="report is locked"):
        fresh.write("report")
    with pytest.raises(BadParameter, match="standing: takes what the site stands for and can't be set by hand"):
        checked(fresh.workspace.scene(), "pack", {"standing": "GO"})
    fresh.workspace.close()


def test_a_rehearsals_package_is_refused_without_the_word(conductor, tmp_path):
    package, keys = made(conductor, "package"), made(conductor, "keys")
    trusted = ["--key", keys / "model-signing.pub.pem", "--allowed-signers", keys / "allowed_signers"]
    done = program("verify", package, *trusted)
    assert done.returncode == 1
    assert f"GO (rehearsal); {UNPROVEN}" in done.stderr
    assert "--allow-rehearsal" in done.stderr
    done = program("verify", package, *trusted, "--allow-rehearsal")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 faults" in done.stdout
    assert conductor.workspace.view().gates["P"].decision.bound.split()[-1] in done.stdout
    assert (
        (package / "MANIFEST.sha256")
        .read_text()
        .startswith(f"# A GO on this package reads: GO (rehearsal); {UNPROVEN}")
    )
    carried = tmp_path / "carried"
    shutil.copytree(package, carried)
    (carried / "new").write_text("x")
    (carried / "cards" / "silent_analyzer.md").unlink()
    done = program("verify", carried, "--ssh-key", keys / "allowed_signers", "--allow-rehearsal")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "gladiator-console: cards/silent_analyzer.md is missing",
        "gladiator-console: new was added: MANIFEST.sha256 does not name it",
    ]
    for arguments in ([], ["--key", tmp_path / "none"]):
        done = program("verify", package, *arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
