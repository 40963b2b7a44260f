"""The plan in force is what the journal pinned, whatever lies in the workspace."""

from pathlib import Path

import msgspec
import pytest

from console.conductor.auditing import audit_workspace
from console.conductor.workspace import COMPILED, Workspace
from console.plan import compiled

STUB = Path(__file__).parents[2] / "stub"


@pytest.fixture
def workspace(tmp_path):
    made = Workspace.create(tmp_path / "w", STUB / "plan", STUB / "site.toml", "Ada")
    made.close()
    return made.path


def kept(workspace: Path) -> Path:
    (found,) = (workspace / "adopted").glob(f"*/{COMPILED}")
    return found


def title(workspace: Path) -> str:
    opened = Workspace.open(workspace)
    try:
        return opened.plan.task["make"].title
    finally:
        opened.close()


def test_it_is_opened_without_its_toml_being_read_again(workspace, monkeypatch):
    def fail(*_):
        raise AssertionError("the plan's TOML was read")

    monkeypatch.setattr("console.conductor.workspace.reload", fail)
    assert title(workspace) == "Make the data"


def test_another_compiled_plan_is_not_opened_and_named_by_the_audit(workspace):
    file = kept(workspace)
    plan = compiled.decode(file.read_bytes())
    plan.task["make"] = msgspec.structs.replace(plan.task["make"], title="Something else")
    file.write_bytes(compiled.encode(plan))
    assert title(workspace) == "Make the data"
    (fault,) = audit_workspace(workspace).faults
    assert f"{COMPILED} was changed since the plan was put in force" in fault


@pytest.mark.parametrize("data", [b"", b"rubbish"])
def test_a_broken_one_costs_time_and_nothing_else(workspace, data):
    kept(workspace).write_bytes(data)
    assert title(workspace) == "Make the data"


def test_without_it_the_toml_is_read(workspace):
    kept(workspace).unlink()
    assert title(workspace) == "Make the data"
    assert audit_workspace(workspace).faults == ()
