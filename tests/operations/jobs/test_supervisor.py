import os
import shutil
import signal
import subprocess
import textwrap

import msgspec
import psutil
import pytest

from operations import events, job
from operations.host.readings import Reading


def logs(history):
    return [event.text for event in history if isinstance(event, events.Log)]


def test_a_job_runs_to_its_end(host):
    status, history = host.run("hostile.count", steps=4)
    assert status == 0
    assert [e.step for e in history if isinstance(e, events.Metric)] == [0, 1, 2, 3]
    assert logs(history) == ["step 0", "step 1", "step 2", "step 3"]
    (made,) = [e for e in history if isinstance(e, events.Made)]
    assert (host.root / made.path).read_text() == "result"
    assert history[-1].outcome == "done"
    assert history[-1].exit_status == 0
    assert sum(isinstance(e, events.Finished) for e in history) == 1
    readings = (host.root / "jobs/j1/readings.jsonl").read_bytes().splitlines()
    assert msgspec.json.decode(readings[0], type=Reading).ram_total > 0
    assert not (host.root / "jobs/j1/reserve").exists()


@pytest.mark.parametrize(
    ("how", "reason", "told"),
    [
        ("refuse", "no such model", False),
        ("error", "ValueError: wrong shape", True),
        ("memory", "MemoryError", True),
        ("disk", "no space left on the host", True),
        ("undeclared", "ValueError: hostile.crash declares no measure 'nobody-knows'", True),
        ("exit", "the worker ended with exit status 7 and no last word", False),
        ("kill", "the worker was ended by SIGKILL", False),
        ("segfault", "the worker was ended by SIGSEGV", True),
    ],
)
def test_each_bad_end_has_its_reason(host, how, reason, told):
    status, history = host.run("hostile.crash", how=how)
    end = history[-1]
    assert (status, end.outcome, end.reason) == (1, "failed", reason)
    assert end.signal == {"kill": "SIGKILL", "segfault": "SIGSEGV"}.get(how, "")
    assert bool(logs(history)) == told
    traceback = [e for e in history if isinstance(e, events.Log) and e.level == "error"]
    assert bool(traceback) == (told and how != "segfault")


def test_bad_parameters_and_unknown_operations_are_refused_in_one_line(host):
    assert host.run("hostile.count", "a", steps="many")[1][-1].reason == (
        "parameters of hostile.count: Expected `int`, got `str` - at `$.steps`"
    )
    assert "unknown field" in host.run("hostile.count", "b", step=1)[1][-1].reason
    assert host.run("hostile.none", "c")[1][-1].reason == "this host knows no operation 'hostile.none'"


@pytest.mark.parametrize("text", ["", "schema = 1\n", 'id = "other"', "\x00\xff", "schema = 2"])
def test_a_broken_job_file_is_a_last_event(host, text):
    directory = host.claim("hostile.count")
    (directory / "job.toml").write_bytes(text.encode("latin-1"))
    assert host.start(directory).wait(30) == 1
    (end,) = host.history(directory)
    assert end.outcome == "failed"
    assert "job.toml" in end.reason


def test_a_job_runs_once(host):
    directory = host.claim("hostile.count", steps=2)
    first = [host.start(directory, stderr=subprocess.DEVNULL) for _ in range(5)]
    assert sorted(process.wait(60) for process in first) == [0, 4, 4, 4, 4]
    before = host.history(directory)
    assert host.start(directory, stderr=subprocess.DEVNULL).wait(30) == 4
    assert host.history(directory) == before


def test_no_directory_is_wrong_usage(host):
    process = host.start(host.root / "nowhere", stderr=subprocess.PIPE)
    assert process.communicate()[1].count(b"\n") == 1
    assert process.returncode == 2


@pytest.mark.parametrize("by", ["signal", "file"])
def test_a_stop_reaches_the_operation(host, by):
    directory = host.claim("hostile.count", steps=10_000, pause=0.01)
    process = host.start(directory)
    host.until(lambda: host.said(directory, events.Metric))
    if by == "signal":
        process.send_signal(signal.SIGTERM)
    else:
        (directory / job.STOP).touch()
    assert process.wait(30) == 3
    end = host.history(directory)[-1]
    assert end.outcome == "stopped"
    assert end.reason.startswith("stopped at step")


def test_a_stop_that_comes_before_the_start_stops(host):
    directory = host.claim("hostile.count", steps=10_000, pause=0.01)
    (directory / job.STOP).touch()
    assert host.start(directory).wait(30) == 3
    assert host.history(directory)[-1].outcome == "stopped"


def test_an_operation_that_heeds_no_stop_ends_as_it_would(host):
    directory = host.claim("hostile.count", steps=50, pause=0.01, heeds=False)
    process = host.start(directory)
    host.until(lambda: host.said(directory, events.Metric))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_a_kill_ends_what_heeds_no_stop_and_is_no_fault(host):
    directory = host.claim("hostile.count", steps=100_000, pause=0.01, heeds=False)
    process = host.start(directory)
    host.until(lambda: host.said(directory, events.Metric))
    (directory / job.STOP).touch()
    host.until(lambda: any("asked to stop" in e.text for e in host.said(directory, events.Log)))
    assert process.poll() is None
    (directory / job.KILL).touch()
    assert process.wait(30) == 3
    end = host.history(directory)[-1]
    assert (end.outcome, end.reason, end.signal) == ("stopped", "killed on request", "SIGKILL")
    assert not job.locked(directory)


def test_children_of_a_worker_end_with_it_and_with_the_supervisor(host):
    for id, victim in (("worker", "worker"), ("supervisor", None)):
        directory = host.claim("hostile.orphan", id)
        process = host.start(directory)
        host.until(lambda d=directory: len(host.said(d, events.Measured)) == 2)
        pids = {event.name: event.value for event in host.said(directory, events.Measured)}
        os.kill(pids["worker"] if victim else process.pid, signal.SIGKILL)
        process.wait(30)
        host.until(lambda p=pids: not alive(p["child"]) and not alive(p["worker"]))
        host.until(lambda d=directory: not job.locked(d))
        assert job.state(directory) == ("finished" if victim else "dead")


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_line_without_end_takes_no_memory(host):
    directory = host.claim("hostile.speak", what="long", amount=100)
    process = host.start(directory)
    most = 0
    while process.poll() is None:
        try:
            most = max(most, psutil.Process(process.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            break
    assert process.wait(60) == 0
    texts = logs(host.history(directory))
    assert texts[0].endswith("(cut)")
    assert sorted(texts[1:]) == ["after", "spoken"]  # two pipes have no common order
    assert 0 < most < 100e6
    assert (directory / job.EVENTS).stat().st_size < 10_000


def test_a_progress_bar_is_folded(host):
    texts = logs(host.run("hostile.speak", what="bar", amount=500)[1])
    assert "100% done" in texts
    assert len(texts) < 5


def test_bytes_that_are_no_text_are_kept_as_such(host):
    assert "\ufffd\ufffd \x1b[2J café" in logs(host.run("hostile.speak", what="bytes")[1])


def test_many_lines_all_arrive_in_order(host):
    texts = logs(host.run("hostile.speak", what="lines", amount=20_000)[1])
    texts.remove("spoken")
    assert texts == [f"line {n}" for n in range(20_000)]


def test_a_worker_that_babbles_on_the_pipe_of_events_is_quoted_not_believed(host):
    status, history = host.run("hostile.speak", what="events")
    assert status == 0
    errors = [e.text for e in history if isinstance(e, events.Log) and e.level == "error"]
    assert len(errors) == 3
    assert "65536 bytes" in errors[2]
    assert logs(history)[-1] == "spoken"


def test_what_is_not_finite_is_said_to_be_so(host):
    status, history = host.run("hostile.speak", what="numbers")
    assert status == 0
    metric = next(e for e in history if isinstance(e, events.Metric))
    number, table = [e for e in history if isinstance(e, events.Measured)]
    assert (metric.value, metric.nonfinite) == (None, "nan")
    assert (number.value, number.nonfinite) == (None, "-inf")
    assert (table.value, table.nonfinite) == ({"a": 1, "b": None, "c": None}, "nan")


def test_a_secret_is_in_no_file_argument_or_environment(host):
    secret = "hush-5f0c"
    directory = host.claim("hostile.secret")
    process = host.start(directory, "--launched", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(b'{"token":"%s"}\n' % secret.encode())
    process.stdin.flush()
    assert process.stdout.readline() == b"started\n"
    assert process.wait(30) == 0
    assert [e.value for e in host.said(directory, events.Measured)] == [len(secret)]
    for path in directory.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()
    bare = host.claim("hostile.secret", "bare")
    host.start(bare).wait(30)
    assert host.history(bare)[-1].reason == "the job was launched without its secret 'token'"


def test_a_launcher_that_dies_before_it_has_told_the_secrets_starts_nothing(host):
    directory = host.claim("hostile.count", steps=1)
    process = host.start(directory, "--launched", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write(b'{"tok')
    process.stdin.close()
    assert process.wait(30) == 4
    assert not (directory / job.EVENTS).exists()
    assert host.start(directory).wait(30) == 0


def test_a_full_disk_is_reported_from_the_reserve(host):
    """In a mount namespace of its own, so that no mount is left behind."""
    unshare = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    small = host.root / "small"
    small.mkdir()
    script = textwrap.dedent("""\
        set -e
        mount -t tmpfs -o size=1m tmpfs "$1"
        cp -r "$2/jobs" "$1/jobs"
        set +e
        "$3" -P -m operations run "$1/jobs/j1"
        echo $? > "$2/status"
        cp "$1/jobs/j1/events.jsonl" "$2/"
    """)
    probe = [*unshare, "mount", "-t", "tmpfs", "tmpfs", str(small)]
    if not shutil.which("unshare") or subprocess.run(probe, check=False).returncode:
        pytest.skip("no mount namespace of one's own here")
    host.claim("hostile.fill")
    subprocess.run(
        [*unshare, "sh", "-c", script, "sh", small, host.root, host.command[0]], env=host.environment, check=True
    )
    assert (host.root / "status").read_text() == "1\n"
    lines = (host.root / "events.jsonl").read_bytes().splitlines(keepends=True)
    history = [events.decode(line) for line in lines]
    assert len(history) > 50
    assert {len(event.text) for event in history[:-1]} == {4000}
    assert (history[-1].outcome, history[-1].reason) == ("failed", "no space left on the host")
