"""What hosts get is what is locked for them, and no more than operations need."""

import ast
import functools
import importlib.metadata
import runpy
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from console.hosts.prepare import lock
from console.hosts.prepare.lock import Locked, LockError, Target

ROOT = Path(__file__).parents[3]
HASH = "--hash=sha256:" + "a" * 64
TARGETS = [Target(platform, python) for platform in lock.PLATFORMS for python in ("3.11", "3.12")]


@functools.cache
def imported():
    """The names of what operations import, wherever in a file, without the standard library's and their own."""
    found = set()
    for path in (ROOT / "operations").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"operations"}


def test_the_lean_lock_is_made_of_the_whole_one():
    made = runpy.run_path(str(ROOT / ".ci" / "lean_lock"))["lean"]()
    assert lock.LEAN.read_text() == made, "run .ci/lean_lock"
    whole = lock.parse((ROOT / "requirements.lock").read_text(), "requirements.lock")
    assert set(lock.lean()) < set(whole)


def test_operations_import_nothing_that_a_host_has_not():
    providers = importlib.metadata.packages_distributions()
    for target in TARGETS:
        wanted = {canonicalize_name(entry.name) for entry in lock.lean() if entry.wanted(target)}
        for module in imported():
            found = {canonicalize_name(name) for name in providers[module]}
            assert found & wanted, f"{module} is not in {lock.LEAN.name}"
        assert not wanted & {"textual", "asyncssh", "plotext", "tsdownsample"}
    assert imported() >= {"mlx", "msgspec"}  # so that an empty walk proves nothing


def test_each_kind_of_host_has_its_own_backend_and_one_numpy():
    def names(platform, python):
        return [entry.name for entry in lock.lean() if entry.wanted(Target(platform, python))]

    assert "mlx-metal" in names("macos-arm64", "3.11")
    assert "mlx-cpu" not in names("macos-arm64", "3.11")
    assert "mlx-cpu" in names("linux-arm64", "3.13")
    assert all(names(target.platform, target.python).count("numpy") == 1 for target in TARGETS)


def test_what_is_written_is_what_was_read():
    entries = [Locked("a", "1", "", ("a" * 64, "b" * 64)), Locked("b-c", "2", "sys_platform == 'linux'", ("c" * 64,))]
    assert lock.parse("".join(entry.text() for entry in entries), "x") == entries
    assert lock.parse(entries[0].text({"b" * 64}), "x")[0].hashes == ("b" * 64,)


@pytest.mark.parametrize("text", ["a==1", f"a {HASH}", f"a>=1 {HASH}", f"-r other {HASH}", f"a==1 ; nonsense {HASH}"])
def test_what_is_no_locked_requirement_is_refused_by_its_file(text):
    with pytest.raises(LockError, match=r"^my\.lock: "):
        lock.parse(text, "my.lock")


def test_conditions_and_extras_lead_on_only_where_they_hold():
    locked = [Locked(name, "1", "", ("a" * 64,)) for name in ("top", "lin", "mac", "plus", "other")]
    requires = {"top": ["lin; sys_platform == 'linux'", "mac; sys_platform == 'darwin'", "plus; extra == 'more'"]}
    linux = [Target("linux-arm64", "3.11")]

    def names(root):
        return [entry.name for entry in lock.closure(locked, [root], requires, linux)]

    assert names("top") == ["top", "lin"]
    assert names("top[more]") == ["top", "lin", "plus"]
    assert names("top; sys_platform == 'darwin'") == []


def test_extras_stay_where_they_are_written():
    text = "pydantic[email]==2.1 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    (entry,) = lock.parse(text, "x")
    assert (entry.name, entry.extras, entry.text()) == ("pydantic", "[email]", text)
