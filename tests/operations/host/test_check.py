"""``host.check`` on a host's own job: what it measures, and how it must fail."""

import shutil
from pathlib import Path

import pytest

from operations import events, job
from operations.host.containers import container, parse_status
from operations.host.surveying import planned

SHIM = Path(__file__).parents[2] / "lab" / "docker"


@pytest.fixture
def docker(tmp_path):
    """The stand-in, and how its daemon and container are."""
    (tmp_path / "docker").mkdir()
    path = Path(shutil.copy(SHIM, tmp_path / "docker" / "docker"))

    def be(state: str) -> str:
        (path.parent / "state").write_text(state)
        return str(path)

    return be


def checked(host, tmp_path, role="first", **parameters):
    """The measures of one role's job, its log, and its end."""
    asked = job.JobFile(id="c1", task="P-02", operation="host.check", role=role, parameters=parameters)
    directory = job.claim(tmp_path / "root", asked)
    host.start(directory).wait(60)
    found = {event.name: event for event in host.said(directory, events.Measured)}
    return found, "\n".join(event.text for event in host.said(directory, events.Log)), host.history(directory)[-1]


def test_a_host_without_a_container_is_measured_and_its_container_is_not_available(host, tmp_path):
    found, log, end = checked(host, tmp_path, memory_first=0.001, disk_first=0.001, memory_second=1e9)
    assert end.outcome == "done"
    assert found["as_planned"].value is True
    assert 0 < found["free"].value <= found["disk"].value
    assert found["memory"].value > 0.1
    for name in ("container", "container_state"):
        assert (found[name].value, found[name].reason) == (None, "the site names no container for this host")
    for name in ("gpu", "sleep", "logout"):
        assert found[name].value is not None or found[name].reason
    assert "memory: met, " in log
    assert "container: n/a, the site names no container" in log


def test_the_second_host_is_held_against_its_own_figures_and_fails_them(host, tmp_path, docker):
    given = {"memory_first": 0.001, "memory_second": 1e9, "disk_second": 0.001, "containers": ["", "blue_combat"]}
    found, log, end = checked(host, tmp_path, "second", **given, dockers=["docker", docker("up")])
    assert end.outcome == "done"
    assert found["as_planned"].value is False
    assert "memory: not met, " in log
    assert "at least 1,000,000,000.0 are planned" in found["missing"].value
    assert (found["container"].value, found["container_state"].value) == (True, "blue_combat is running")


@pytest.mark.parametrize(
    ("state", "name", "met", "said"),
    [
        ("up", "blue_combat", True, "blue_combat is running"),
        ("stopped", "blue_combat", False, "blue_combat is exited"),
        ("paused", "blue_combat", False, "blue_combat is paused"),
        ("up", "red_combat", False, "there is no container red_combat"),
        ("down", "blue_combat", False, "blue_combat: the Docker daemon is down"),
        ("denied", "blue_combat", None, "blue_combat: the user may not ask Docker"),
        ("up", "", None, "the site names no container for this host"),
    ],
)
def test_a_container_is_up_only_if_docker_says_that_it_runs(docker, state, name, met, said):
    found = container(name, docker(state))
    assert (found.met, found.found) == (met, said)


def test_without_docker_nobody_can_tell():
    found = container("blue_combat", "/nowhere/docker")
    assert (found.met, found.found) == (None, "/nowhere/docker is not on this host: blue_combat can't be asked for")


def test_words_that_docker_might_say_are_not_up():
    for text in ("", "created\n", "restarting", "dead", "running\nextra", "Running"):
        assert parse_status("c", text).met is False


def test_as_much_as_planned_is_enough_and_less_is_not():
    assert planned("memory", 512.0, 512.0).met is True
    assert planned("memory", 511.9, 512.0).met is False
    assert planned("memory", 0.1, 0.0).met is True
