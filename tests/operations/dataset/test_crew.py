"""A crew's results come in the tasks' order, whoever did them, and its processes end with it."""

import math
import os

import psutil
import pytest

from operations.dataset.crew import crew


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_are_in_order(processes):
    with crew(processes) as workers:
        assert list(workers.each(math.pow, ((n, 2) for n in range(200)))) == [n**2 for n in range(200)]


def test_the_caller_takes_its_part_and_nobody_is_left():
    with crew(2) as workers:
        told = list(workers.each(os.getpid, [()] * 400))
        others = set(told) - {os.getpid()}
    assert len(set(told)) <= 2
    assert os.getpid() in told
    assert not any(map(psutil.pid_exists, others))


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_a_task_is_the_callers(processes):
    with crew(processes) as workers, pytest.raises(ValueError, match="math domain"):
        list(workers.each(math.sqrt, ((n,) for n in (4, 1, -1, 9))))
