"""The audit names the first thing that is wrong, and nothing when nothing is."""

import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from console.conductor.auditing import audit_workspace
from console.conductor.rehearse import Rehearsal
from console.conductor.verbs import Conductor
from console.conductor.workspace import Workspace
from console.journal.store import Journal

STUB = Path(__file__).parents[2] / "stub"


@pytest.fixture(scope="module")
async def signed(tmp_path_factory):
    """A rehearsal whose decisions are signed by a key of its own."""
    place = tmp_path_factory.mktemp("signed")
    key = place / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "Ada", "-f", key], check=True)
    site = place / "site.toml"
    text = (STUB / "site.toml").read_text()
    site.write_text(text.replace("rehearsal = true", f'rehearsal = true\nsign_key = "{key}"'))
    conductor = Conductor(Workspace.create(place / "w", STUB / "plan", site, "Ada"), "Ada")
    ending = await Rehearsal(conductor, {}, lambda _: None).through("G1")
    assert ending.kind == "through"
    await conductor.close()
    return place / "w"


@pytest.fixture
def workspace(signed, tmp_path):
    return Path(shutil.copytree(signed, tmp_path / "w"))


def faults(workspace):
    return audit_workspace(workspace).faults


def test_a_clean_workspace_has_no_fault_and_says_what_was_checked(workspace):
    found = audit_workspace(workspace)
    assert found.faults == ()
    assert found.rows == Journal.open(workspace / "journal.db").state.sequence
    assert found.files >= 10
    decision = next((workspace / "decisions").glob("G1-*.toml"))
    assert (workspace / "decisions" / f"{decision.name}.sig").exists()


def edit(path, old, new):
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new))


def test_a_changed_decision_is_named(workspace):
    decision = next((workspace / "decisions").glob("G1-*.toml"))
    edit(decision, b'operator = "Ada"', b'operator = "Eve"')
    assert faults(workspace)[0].startswith(f"decision {decision.name} was changed")


def test_a_signature_of_another_decision_does_not_hold(workspace):
    decision = next((workspace / "decisions").glob("G1-*.toml"))
    signature = decision.with_name(decision.name + ".sig")
    lines = signature.read_text().splitlines()
    lines[3] = lines[3][::-1]
    signature.write_text("\n".join(lines) + "\n")
    assert "does not verify" in faults(workspace)[0]


def test_a_cut_tail_is_found_by_the_decision_that_stood_on_it(workspace):
    with sqlite3.connect(workspace / "journal.db") as database:
        last = database.execute("SELECT max(sequence) FROM row").fetchone()[0]
        database.execute("DELETE FROM row WHERE sequence = ?", (last,))
    assert "is in no row" in faults(workspace)[0]


def test_changed_events_and_artefacts_are_named(workspace):
    made = next((workspace / "hosts/BETA/jobs").glob("*/artefacts/data.txt"))
    events = made.parents[1] / "events.jsonl"
    edit(events, b'"value":1000', b'"value":1001')
    assert f"events of job {events.parent.name} (make) were changed" in faults(workspace)
    chain = next((workspace / "hosts/ALPHA/jobs").rglob("chain.txt"))
    chain.write_text("0" * 64)
    assert any("artefact chain" in fault and "was changed" in fault for fault in faults(workspace))
    chain.unlink()
    assert any("artefact chain" in fault and "is gone" in fault for fault in faults(workspace))


def test_events_appended_after_the_end_are_named(workspace):
    events = next((workspace / "hosts/BETA/jobs").glob("*/events.jsonl"))
    with events.open("ab") as stream:
        stream.write(b'{"type":"log","t":1,"text":"late"}\n')
    (fault,) = faults(workspace)
    assert fault.endswith("have 35 bytes after their end")


def test_a_job_that_no_row_knows_is_named(workspace):
    (workspace / "hosts/BETA/jobs/01c8686f").mkdir()
    assert faults(workspace) == ("job 01c8686f on BETA is in no row: the journal's end was cut off",)


def test_an_edited_plan_is_named_if_it_is_the_one_in_force(workspace):
    edit(workspace / "plan" / "one.toml", b"threshold = 0.9", b"threshold = 0.1")
    assert faults(workspace) == (), "a working copy may be edited: it is not in force"
    (adopted,) = (workspace / "adopted").glob("*/one.toml")
    edit(adopted, b"threshold = 0.9", b"threshold = 0.1")
    assert "adopted plan was changed" in faults(workspace)[0]


async def test_an_edited_attachment_is_named(workspace):
    conductor = Conductor(Workspace.open(workspace), "Ada")
    photo = workspace.parent / "rack photo.png"
    photo.write_bytes(b"not really")
    kept = workspace / conductor.attach("make", photo)
    await conductor.close()
    assert faults(workspace) == ()
    kept.write_bytes(b"other")
    assert faults(workspace) == (f"attachment {kept.name} of make was changed",)


def test_an_edited_row_is_named(workspace):
    with sqlite3.connect(workspace / "journal.db") as database:
        database.execute(
            "UPDATE row SET stored = CAST(replace(CAST(stored AS TEXT), 'Ada', 'Eve') AS BLOB) WHERE sequence = 4"
        )
    assert "row 4 does not have its hash" in faults(workspace)[0]
