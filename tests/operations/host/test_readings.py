import time

import msgspec
import psutil
import pytest

from operations.host.readings import Reading, Sampler


def test_a_reading_is_of_this_machine_and_what_is_missing_has_a_reason(tmp_path):
    sampler = Sampler(tmp_path)
    first = sampler.sample()
    sampler.close()
    for value, reason in (
        (first.cpu_percent, first.cpu_reason),
        (first.gpu_percent, first.gpu_reason),
        (first.temperature_c, first.temperature_reason),
        (first.watts, first.watts_reason),
        (first.net_sent, first.net_reason),
        (first.disk_written, first.disk_reason),
        (first.gpu_memory_used, first.gpu_memory_reason),
        (first.thermal_pressure, first.thermal_reason),
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


def test_bytes_written_are_counted(tmp_path):
    with Sampler(tmp_path, []) as sampler:
        assert sampler.sample().disk_reason
        counted = sampler.sample()
    assert (counted.disk_written is None) == bool(counted.disk_reason)
    if psutil.disk_io_counters() is not None:
        assert counted.disk_written >= 0


def test_readings_of_an_older_program_can_be_read_and_ours_by_it():
    class Old(msgspec.Struct, kw_only=True, omit_defaults=True):
        t: float
        gpu_percent: float | None = None
        gpu_reason: str = ""
        ram_used: int
        ram_total: int
        disk_free: int
        load1: float

    old = Old(t=1.0, gpu_reason="no GPU is read on this host", ram_used=1, ram_total=2, disk_free=3, load1=0.5)
    read = msgspec.json.decode(msgspec.json.encode(old), type=Reading)
    assert (read.ram_used, read.gpu_reason, read.disk_written) == (1, old.gpu_reason, None)
    new = msgspec.structs.replace(read, thermal_pressure=1, disk_written=5.0, gpu_memory_used=7)
    assert msgspec.json.decode(msgspec.json.encode(new), type=Old) == old
