import os
import threading

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import events, job
from operations.context import JobContext, Teller, checked
from operations.contract import Artefact, Kind, Measure, Operation, Output, Refusal
from operations.files import digest
from operations.stats import wilson

OPERATION = Operation(
    "stub.any",
    "anything",
    job.JobFile,
    lambda _context, _parameters: None,
    measures=(
        *(Measure(kind.value, kind, "one of each") for kind in Kind),
        Measure("rows", Kind.NUMBER, "a series", series=True),
    ),
    outputs=(Output("file", "one"), Output("checkpoint", "many", many=True, retention="rotates", directory=True)),
)


@pytest.fixture
def worked(tmp_path):
    """A context, and a function that gives the events told so far."""
    directory = job.claim(tmp_path, job.JobFile(id="j1", task="T", operation="stub.any"))
    read, write = os.pipe()
    os.set_blocking(read, False)
    context = JobContext(directory, job.read(directory), OPERATION, Teller(write), threading.Event(), {"token": "x"})

    def told():
        try:
            return [events.decode(line) for line in os.read(read, 1 << 16).splitlines()]
        except BlockingIOError:
            return []

    yield context, told
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "..", "../x", "a/../../x", "jobs/../..", "a\0b", "out/x", "up"])
def test_no_path_leads_out_of_the_root(worked, tmp_path, path):
    context, _ = worked
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "up").symlink_to("..")
    with pytest.raises(Refusal):
        context.inside(path)


def test_a_path_inside_stays_and_so_does_a_link_inside(worked, tmp_path):
    context, _ = worked
    (tmp_path / "link").symlink_to("jobs")
    assert context.inside("data/x.json") == tmp_path / "data/x.json"
    assert context.inside("link/j1") == tmp_path / "jobs/j1"


@pytest.mark.parametrize("name", ["", "/x", "../x", "a/../x", "."])
def test_an_output_stays_among_the_artefacts(worked, name):
    with pytest.raises(Refusal):
        worked[0].output(name)


def test_an_input_is_verified(worked, tmp_path):
    context, _ = worked
    path = tmp_path / "data.txt"
    path.write_text("data")
    sha256, size = digest(path)
    good = Artefact(path="data.txt", sha256=sha256, size=size, job="j0", name="data")
    assert context.input(good) == path
    with pytest.raises(Refusal, match="is not what job j0 made"):
        context.input(Artefact(path="data.txt", sha256="0" * 64, size=size, job="j0", name="data"))
    with pytest.raises(Refusal, match="is not on this host"):
        context.input(Artefact(path="gone.txt", sha256=sha256, size=size, job="j0", name="data"))


@pytest.mark.parametrize(
    ("name", "value", "extra"),
    [
        ("number", "1", {}),
        ("number", True, {}),
        ("count", -1, {}),
        ("count", 1.5, {}),
        ("proportion", 0.5, {}),
        ("proportion", 0.5, {"n": 10}),
        ("proportion", 0.6, {"n": 10, "count": 5}),
        ("proportion", 0.0, {"n": 0, "count": 0}),
        ("proportion", float("nan"), {"n": 10, "count": 5}),
        ("text", 5, {}),
        ("flag", 1, {}),
        ("table", {"a": "b"}, {}),
        ("table", 5, {}),
        ("digest", "abc", {}),
        ("digest", "G" * 64, {}),
        ("number", None, {}),
        ("rows", 1.0, {}),
        ("number", 1.0, {"step": 1}),
        ("nobody", 1.0, {}),
    ],
)
def test_a_measure_not_of_its_kind_is_an_error_and_says_nothing(worked, name, value, extra):
    context, told = worked
    with pytest.raises(ValueError, match="measure"):
        context.measure(name, value, **extra)
    assert told() == []


def test_scalars_of_numpy_and_mlx_become_plain(worked):
    context, told = worked
    context.measure("number", np.float32(0.5))
    context.measure("number", mx.array(0.25))
    context.measure("count", np.int64(3))
    context.measure("flag", np.bool_(True))
    context.measure("table", {"a": np.float64("inf"), "b": np.int32(1)})
    context.measure("proportion", np.mean([1, 0, 0, 1]), n=np.int64(4), count=np.int64(2))
    context.metric("loss", mx.array(float("nan")), 1)
    found = told()
    assert [e.value for e in found] == [0.5, 0.25, 3, True, {"a": None, "b": 1}, 0.5, None]
    assert [e.nonfinite for e in found] == [None, None, None, None, "inf", None, "nan"]
    assert type(found[3].value) is bool
    assert (found[5].n, found[5].count) == (4, 2)


def test_a_value_that_could_not_be_had_needs_a_reason(worked):
    context, told = worked
    context.measure("number", None, reason="no GPU")
    (event,) = told()
    assert (event.value, event.reason, event.nonfinite) == (None, "no GPU", None)


def test_artefacts_are_declared_hashed_and_below_the_root(worked, tmp_path):
    context, told = worked
    path = context.output("a/file.txt")
    path.write_text("data")
    made = context.artefact("file", path)
    assert (made.path, made.sha256, made.size) == ("jobs/j1/artefacts/a/file.txt", *digest(path))
    assert context.artefact("checkpoint", path.parent, step=5).sha256 == digest(path.parent)[0]
    first, second = told()
    assert (first.retention, first.step) == ("keep", None)
    assert (second.retention, second.step) == ("rotates", 5)
    outside = tmp_path.parent / "outside.txt"
    outside.write_text("x")
    (tmp_path / "link").symlink_to(outside)
    for name, where, extra in (
        ("other", path, {}),
        ("file", outside, {}),
        ("file", tmp_path / "link", {}),
        ("file", tmp_path, {}),
        ("checkpoint", path.parent, {}),
        ("file", path, {"step": 1}),
    ):
        with pytest.raises(ValueError, match="output"):
            context.artefact(name, where, **extra)
    outside.unlink()


def test_each_line_of_a_log_is_an_event(worked):
    context, told = worked
    context.log("one\ntwo", "warning")
    assert [(e.text, e.level) for e in told()] == [("one", "warning"), ("two", "warning")]


@given(st.integers(1, 10_000), st.data())
def test_every_true_proportion_is_taken(n, data):
    count = data.draw(st.integers(0, n))
    value, _ = checked(Measure("p", Kind.PROPORTION, ""), count / n, n, count, "")
    low, high = wilson(count, n)
    assert low <= value <= high
