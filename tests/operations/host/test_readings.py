import time

import msgspec
import psutil
import pytest

from operations.host.readings import Reading, Sampler


def test_a_reading_is_of_this_machine_and_what_is_missing_has_a_reason(tmp_path):
    sampler = Sampler(tmp_path)
    first = sampler.sample()
    for value, reason in (
        (first.cpu_percent, first.cpu_reason),
        (first.gpu_percent, first.gpu_reason),
        (first.temperature_c, first.temperature_reason),
        (first.watts, first.watts_reason),
        (first.net_sent, first.net_reason),
    ):
        assert (value is None) == bool(reason)
    assert first.ram_total == psutil.virtual_memory().total
    assert 0 < first.ram_used < first.ram_total
    assert first.disk_free > 0
    assert abs(first.t - time.time()) < 60
    assert msgspec.json.decode(msgspec.json.encode(first), type=Reading) == first


def test_a_busy_processor_shows_and_is_never_a_gpu(tmp_path):
    sampler = Sampler(tmp_path)
    sampler.sample()
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        pass
    busy = sampler.sample()
    assert busy.cpu_percent > 50 / psutil.cpu_count()
    assert busy.cpu_percent <= 100
    assert busy.gpu_percent is None
    assert busy.net_sent is not None
    assert busy.net_sent >= 0


def test_no_reading_is_taken_of_a_disk_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="gone"):
        Sampler(tmp_path / "gone").sample()
