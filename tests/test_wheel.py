"""What is installed is the wheel, not the tree: it carries the checklists and runs from anywhere."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel's contents in a directory of their own."""
    place = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(place)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place / "site")
    return place / "site"


def python(installed, *arguments):
    """Another interpreter that sees the wheel's contents before the tree's."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    environment.pop("GLADIATOR_OPERATIONS")
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=installed.parent, env=environment, timeout=60)


def test_the_wheel_holds_plans_sites_stylesheets_and_no_tests(installed):
    names = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert "console/checklists/gladiator/plan.toml" in names
    assert "console/checklists/sites/rehearsal.toml" in names
    assert any(name.endswith(".tcss") for name in names)
    assert not any(name.startswith(("tests/", "checklists/")) for name in names)


def test_it_finds_its_checklists_and_makes_a_workspace(installed, tmp_path):
    found = python(
        installed,
        "-c",
        "import console; from console.plan.loading import shipped; print(console.__file__, shipped('gladiator'))",
    )
    module, plan = found.stdout.split()
    assert Path(module).is_relative_to(installed), found
    assert Path(plan) == installed / "console" / "checklists" / "gladiator"
    made = python(installed, "-m", "console", "init", str(tmp_path / "w"))
    assert (made.returncode, made.stderr) == (0, "")


def test_its_hosts_side_describes_every_operation_without_mlx(installed):
    listed = python(installed, "-m", "operations", "list")
    assert "model.finetune" in listed.stdout
    probe = (
        "import sys; from operations import registry; "
        "[registry.find(name) for name in registry.names()]; print('mlx' in sys.modules)"
    )
    assert python(installed, "-c", probe).stdout.strip() == "False"


def test_it_makes_its_own_wheel_again_for_hosts_and_has_their_lock(installed, tmp_path):
    script = (
        "import sys; from pathlib import Path; from console.hosts.prepare import lock, making; "
        "assert len(lock.lean()) > 10; making.make(Path(sys.argv[1]), [lock.Target('linux-arm64', '3.12')], [], print)"
    )
    made = python(installed, "-c", script, str(tmp_path))
    assert made.returncode == 0, made.stderr
    (again,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(again) as archive:
        names = {name for name in archive.namelist() if not name.endswith("RECORD")}
        assert all(archive.read(name) == (installed / name).read_bytes() for name in names)
    there = {path.relative_to(installed).as_posix() for path in installed.rglob("*") if path.is_file()}
    assert names == {name for name in there if not name.endswith((".pyc", "RECORD"))}
