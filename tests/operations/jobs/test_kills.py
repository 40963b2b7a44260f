"""kill -9 at random moments: whatever is left can be read, and says who is gone."""

import os
import random
import signal
import subprocess
import time

import psutil
import pytest

from operations import events, job


def family(pid):
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize("seed", range(30))
def test_a_kill_leaves_a_readable_history_and_the_truth_about_who_lives(host, seed):
    chance = random.Random(seed)
    directory = host.claim("hostile.count", steps=100_000, pause=0.001)
    process = host.start(directory)
    end = time.monotonic() + chance.uniform(0, 0.5)
    while time.monotonic() < end:  # a random moment is the point here
        pass
    workers = family(process.pid)
    victims = seed % 3
    if victims in (0, 2):
        for worker in workers:
            os.kill(worker.pid, signal.SIGKILL)
    if victims in (1, 2) or not workers:
        os.kill(process.pid, signal.SIGKILL)
    status = process.wait(30)
    host.until(lambda: not job.locked(directory))
    os.utime(directory / job.JOB, (0, 0))  # as seen when a launch is no longer on its way
    state = job.state(directory)
    data = (directory / job.EVENTS).read_bytes() if (directory / job.EVENTS).exists() else b""
    whole = data[: data.rfind(b"\n") + 1]
    told = [events.decode(line) for line in whole.splitlines()]
    steps = [e.step for e in told if isinstance(e, events.Metric)]
    assert steps == list(range(len(steps)))
    if status == -signal.SIGKILL:
        ended = any(isinstance(e, events.Finished) for e in told)
        assert state == ("finished" if ended else "dead")
        assert not ended or victims == 2, "only a worker killed first leaves its supervisor time for a last word"
    else:
        assert state == "finished"
        assert data == whole
        assert told[-1].reason == "the worker was ended by SIGKILL"
        assert told[-1].signal == "SIGKILL"


def test_a_worker_whose_supervisor_is_killed_writes_no_more(host):
    directory = host.claim("hostile.count", steps=100_000, pause=0.001)
    process = host.start(directory)
    host.until(lambda: host.said(directory, events.Metric))
    (worker,) = family(process.pid)
    assert job.state(directory) == "running"
    process.kill()
    process.wait()
    host.until(lambda: not job.locked(directory))  # only now is the worker's last thread gone
    assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
    size = (directory / job.EVENTS).stat().st_size
    assert job.state(directory) == "dead"
    assert (directory / job.EVENTS).stat().st_size == size


def test_the_lock_is_held_until_the_worker_is_gone_too(host):
    directory = host.claim("hostile.deaf")
    process = host.start(directory)
    host.until(lambda: host.said(directory, events.Metric))
    process.kill()  # and the worker can't notice
    process.wait()
    assert job.locked(directory)
    assert job.state(directory) == "running"
    assert host.start(directory, stderr=subprocess.DEVNULL).wait(30) == 4
    host.until(lambda: not job.locked(directory))
    assert job.state(directory) == "dead"
