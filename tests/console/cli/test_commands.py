"""The program as it is called: exit statuses, one line for every error, JSON for scripts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WAIVE = ["--waive", "accuracy", "--until", "2999-01-01"]
STUB = Path(__file__).parents[2] / "stub"


def program(*arguments, **environment):
    command = [sys.executable, "-P", "-m", "console", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


@pytest.fixture
def workspace(tmp_path):
    made = program("init", tmp_path / "w", "--plan", STUB / "plan", "--site", STUB / "site.toml")
    assert made.returncode == 0, made.stderr
    return tmp_path / "w"


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    path = tmp_path_factory.mktemp("rehearsed") / "w"
    assert program("init", path, "--plan", STUB / "plan", "--site", STUB / "site.toml").returncode == 0
    done = program("rehearse", path, "--through", "G1", "--json")
    assert done.returncode == 0, done.stderr
    return path, json.loads(done.stdout)


def test_status_json_holds_what_the_design_promises(rehearsed):
    _, found = rehearsed
    record = found["tasks"]["grade"]["records"]["accuracy"]
    assert (record["value"], record["met"]) == (0.95, True)
    assert record["source"] == found["tasks"]["grade"]["jobs"][-1]["id"]
    assert found["tasks"]["count"]["records"]["temper"]["source"] is None
    assert len(found["tasks"]["watch"]["records"]["seen"]["rows"]) == 10
    gate = found["gates"]["G1"]
    assert gate["state"] == "go"
    accuracy, speed = gate["criteria"]
    assert {"name", "value", "threshold", "unit", "gates", "met", "reason"} <= accuracy.keys()
    assert (accuracy["gates"], accuracy["met"]) == (True, True)
    assert (speed["gates"], speed["met"]) == (False, False)
    assert found["tasks"]["go_on"]["state"] == "ready"
    assert found["tasks"]["mourn"]["stale"] is False


def test_why_leads_from_the_criterion_to_the_first_file(rehearsed):
    path, found = rehearsed
    said = program("why", path, "G1").stdout
    for task in ("grade", "count", "bring", "make"):
        assert f"job {found['tasks'][task]['jobs'][0]['id']}" in said
    assert "hosts/BETA/jobs/" in said


def test_report_is_one_file_with_decision_and_verdicts(rehearsed, tmp_path):
    path, _ = rehearsed
    assert program("report", path, "-o", tmp_path / "r.html").returncode == 0
    text = (tmp_path / "r.html").read_text()
    for expected in ("REHEARSAL", "95 of 100", "not met, gates nothing here", "<table"):
        assert expected in text
    assert "src=" not in text
    assert "REHEARSAL" in program("report", path).stdout


def test_log_and_audit(rehearsed):
    path, _ = rehearsed
    assert "lines = 1000" in program("log", path, "make").stdout
    assert "0 faults" in program("audit", path).stdout


def test_no_go_exits_1_and_names_the_criterion(workspace):
    done = program("rehearse", workspace, "--through", "G1", "--set", "grade.right=89")
    assert done.returncode == 1
    assert "NO-GO at G1: accuracy not met: 89 of 100 = 89.0 %" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["status", "{nowhere}"], 2, "no workspace"),
        (["init", "{w}"], 2, "not empty"),
        (["init", "{nowhere}", "--plan", "{w}"], 2, "plan.toml"),
        (["init", "{nowhere}", "--plan", "{nowhere}"], 2, "no directory of a plan"),
        (["init", "{nowhere}", "--site", "{w}"], 2, "no file of a site"),
        (["init", "{nowhere}", "--start", "9999-12-31"], 2, "expected a day from 2000-01-01"),
        (["record", "{w}", "count", "temper", "calm", "--on", ""], 2, "no day: write YYYY-MM-DD"),
        (["decide", "{w}", "G1", "no-go", "--reason", "x", "--until", "2026-01-01"], 2, "--waive CRITERION"),
        (["note", "{w}", "make", "x" * 70_000], 2, "at most 65,536"),
        (["tick", "{w}", "make", "D-1", "--operator", "N" * 65], 2, "at most 64 characters"),
        (["open", "{w}"], 2, "needs a terminal"),
        (["report", "{w}", "-o", "{nowhere}/r.html"], 2, "no such directory"),
        (["init", "{nowhere}", "--start", "soon"], 2, "YYYY-MM-DD"),
        (["run", "{w}", "nothing"], 2, "no task nothing"),
        (["run", "{w}", "make", "--set", "lines"], 2, "name=value"),
        (["run", "{w}", "make", "--set", "lines=-3"], 2, "make.lines = '-3'"),
        (["run", "{w}", "make", "--set", "colour=red"], 2, "no such parameter"),
        (["rehearse", "{w}", "--set", "bring.via=tape"], 2, "expected one of 'raw', 'rsync'"),
        (["run", "{w}", "count"], 1, "locked"),
        (["run", "{w}", "talk"], 1, "no operation"),
        (["stop", "{w}", "make"], 1, "not running"),
        (["record", "{w}", "make", "lines", "5"], 1, "measured by"),
        (["record", "{w}", "make", "colour", "5"], 2, "no record colour"),
        (["tick", "{w}", "make", "D-1"], 1, "nothing is there to tick"),
        (["tick", "{w}", "make", "D-9"], 2, "no deliverable D-9"),
        (["decide", "{w}", "G1", "go", "--reason", "x"], 1, "G1 can't be GO"),
        (["decide", "{w}", "G1", "maybe", "--reason", "x"], 2, "invalid choice"),
        (["decide", "{w}", "G1", "go", "--reason", "x", "--waive", "accuracy"], 2, "--until"),
        (["decide", "{w}", "G1", "go", "--reason", "x", *WAIVE], 1, "can't be waived"),
        (["decide", "{w}", "G7", "go", "--reason", "x"], 2, "no gate G7"),
        (["why", "{w}", "G7"], 2, "no gate G7"),
        (["log", "{w}", "make"], 1, "has not run"),
        (["rehearse", "{w}", "--through", "G7"], 2, "no such gate"),
        (["rehearse", "{w}", "--set", "make=3"], 2, "TASK.name=value"),
        (["report", "{w}", "-o", "{w}.pdf"], 2, "FILE.html or FILE.md"),
        (["lint", "{nowhere}"], 2, "no directory of a plan"),
        (["verify", "{w}"], 2, "only vouches for itself"),
        (["verify", "{w}", "--key", "{nowhere}"], 2, "can't be read"),
        (["verify", "{w}", "--ssh-key", "{nowhere}"], 2, "can't be read"),
        (["frobnicate", "{w}"], 2, "frobnicate"),
        (["audit", "{nowhere}"], 2, "no workspace"),
    ],
)
def test_every_error_is_one_line_and_changes_nothing(workspace, tmp_path, arguments, status, says):
    words = [a.format(w=workspace, nowhere=tmp_path / "nowhere") for a in arguments]
    before = program("status", workspace, "--json").stdout
    done = program(*words)
    assert done.returncode == status, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert program("status", workspace, "--json").stdout == before
    assert not (tmp_path / "nowhere").exists()


def test_no_name_no_write(workspace):
    done = program("tick", workspace, "make", "D-1", "--operator", "")
    assert (done.returncode, "no name" in done.stderr) == (2, True)


def test_typed_ticked_skipped_and_decided_by_name(workspace):
    assert program("record", workspace, "count", "temper", "calm").returncode == 1, "locked"
    assert program("run", workspace, "make").returncode == 0
    assert "[x] Bob" in program("tick", workspace, "make", "D-1", "--operator", "Bob").stdout
    assert json.loads(program("status", workspace, "--json").stdout)["tasks"]["make"]["deliverables"] == {"D-1": "Bob"}
    assert "[ ]" in program("tick", workspace, "make", "D-1", "--undo").stdout
    assert program("decide", workspace, "G1", "no-go", "--reason", "no time").returncode == 0
    found = json.loads(program("status", workspace, "--json").stdout)
    assert found["gates"]["G1"]["state"] == "no-go"
    assert found["tasks"]["mourn"]["state"] == "ready"


def test_a_broken_plan_names_every_fault_and_makes_nothing(tmp_path):
    plan = tmp_path / "plan"
    plan.mkdir()
    for file in (STUB / "plan").iterdir():
        (plan / file.name).write_text(file.read_text())
    one = plan / "one.toml"
    one.write_text(one.read_text().replace('needs = ["make"]', 'needs = ["mask"]').replace("threshold = 0.9\n", ""))
    done = program("init", tmp_path / "w", "--plan", plan, "--site", STUB / "site.toml")
    assert done.returncode == 2
    assert "mask" in done.stderr
    assert "threshold" in done.stderr
    assert all("one.toml:" in line for line in done.stderr.splitlines())
    assert not (tmp_path / "w").exists()


def test_schema_is_json_schema():
    for kind in ("plan", "site"):
        assert "properties" in program("schema", kind).stdout


def test_the_shipped_plan_has_no_faults():
    done = program("lint", Path(__file__).parents[3] / "checklists" / "gladiator")
    assert done.returncode == 0, done.stderr
