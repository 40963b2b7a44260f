import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import events, job
from operations.contract import Artefact, Refusal

names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=8)
scalars = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=30)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))


def job_file(id="j1", **parameters):
    return job.JobFile(id=id, task="W0.1.1", operation="stub.make", parameters=parameters)


@given(parameters=st.dictionaries(names, values, max_size=4), threads=st.integers(0, 64))
def test_what_is_claimed_is_what_is_read(tmp_path_factory, parameters, threads):
    root = tmp_path_factory.mktemp("root")
    artefact = Artefact(path="jobs/a/artefacts/x", sha256="0" * 64, size=3, job="a", name="x")
    asked = job.JobFile(
        id="j1", task="T", operation="o.p", parameters=parameters, threads=threads, resume=(artefact, artefact)
    )
    found = job.read(job.claim(root, asked))
    assert found.parameters == parameters
    assert found.resume == (artefact, artefact)
    assert found.versions == job.versions()
    with pytest.raises(job.AlreadyClaimed):
        job.claim(root, asked)


def test_versions_are_told_without_importing():
    assert {"python", "gladiator-console", "numpy"} <= job.versions().keys()


def test_a_claim_is_made_once_by_whoever_is_first(tmp_path):
    start, won, lost = threading.Barrier(8), [], []

    def claim():
        start.wait()
        try:
            won.append(job.claim(tmp_path, job_file(text="a")))
        except job.AlreadyClaimed:
            lost.append(1)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert [path.name for path in (tmp_path / "jobs").iterdir()] == ["j1"]


def test_another_job_of_the_same_id_is_refused(tmp_path):
    directory = job.claim(tmp_path, job_file(text="a"))
    before = (directory / "job.toml").read_bytes()
    with pytest.raises(Refusal, match="already, with other contents"):
        job.claim(tmp_path, job_file(text="b"))
    assert (directory / "job.toml").read_bytes() == before


def test_what_toml_can_not_hold_is_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(Refusal, match="can't be written as TOML"):
        job.claim(tmp_path, job_file(nothing=None))
    assert not list(tmp_path.rglob("*.toml"))


@pytest.mark.parametrize("id", ["", ".", "..", "../x", "a/b", ".hidden", "a\0", "x" * 129, "ä", "a\n"])
def test_an_id_that_leads_elsewhere_is_refused(tmp_path, id):
    with pytest.raises(Refusal):
        job.directory_of(tmp_path, id)


def test_a_moved_job_file_is_not_believed(tmp_path):
    directory = job.claim(tmp_path, job_file())
    with pytest.raises(Refusal, match="is of job j1"):
        job.read(directory.rename(tmp_path / "jobs" / "j2"))


def test_states_from_the_directory_alone(tmp_path):
    directory = job.directory_of(tmp_path, "j1")
    assert job.state(directory) == "absent"
    job.claim(tmp_path, job_file())
    assert job.state(directory) == "running"  # its supervisor may be on its way
    os.utime(directory / "job.toml", (0, 0))
    assert job.state(directory) == "dead"
    (directory / "events.jsonl").write_bytes(events.encode(events.Log(t=1, text="x")))
    assert job.state(directory) == "dead"
    line = events.encode(events.Finished(t=2, outcome="done"))
    with (directory / "events.jsonl").open("ab") as stream:
        stream.write(line[:-5])
    assert job.state(directory) == "dead"
    with (directory / "events.jsonl").open("ab") as stream:
        stream.write(line[-5:])
    assert job.state(directory) == "finished"


@given(lines=st.lists(st.binary(max_size=200), max_size=5))
def test_any_bytes_at_the_end_are_no_error(tmp_path_factory, lines):
    directory = tmp_path_factory.mktemp("job")
    (directory / "events.jsonl").write_bytes(b"\n".join(lines))
    assert job.last_event(directory) is None or lines
