"""A host's readings over weeks: found again as they were, in the same space, gaps as gaps, after kills as well."""

import os
import signal
import subprocess
import sys

import msgspec
import pytest

from console.hosts.archive import DAY, PARTS, Archive, Turn, values
from console.hosts.ring import Ring
from operations.host.readings import Reading

NOW = 1_760_000_000.0


def reading(t, **given):
    held = {"ram_used": 5_000_000_000, "ram_total": 24_000_000_000, "disk_free": 61_000_000_000, "load1": 0.5}
    return Reading(t=t, **(held | given))


@pytest.fixture
def archive(tmp_path):
    made = Archive(tmp_path / "readings", "ALPHA")
    yield made
    made.close()


def lines(*readings):
    return b"".join(msgspec.json.encode(one) + b"\n" for one in readings)


def test_least_mean_and_most_of_an_hour_a_day_and_the_programme(archive):
    for second in range(7_200):
        t = NOW - 7_200 + second
        archive.add(reading(t, temperature_c=90.0 if second == 100 else 60.0 if second < 3_600 else 40.0), t)
    hour, day, programme = (archive.history(span, NOW) for span in ("hour", "day", "programme"))
    assert hour.whole["temperature_c"] == (40.0, 40.0, 40.0)
    assert day.whole["temperature_c"] == programme.whole["temperature_c"]
    low, mean, high = day.whole["temperature_c"]
    assert (low, high) == (40.0, 90.0), "a peak of one second is not lost in a minute, nor in a quarter of an hour"
    assert mean == pytest.approx((60 * 3_599 + 90 + 40 * 3_600) / 7_200)
    assert hour.whole["ram_used"].mean == 5e9
    assert "gpu_percent" not in hour.whole
    assert NOW - 7_200 - 900 <= programme.start <= NOW - 7_200


def test_gaps_stay_gaps(archive):
    for t in (*range(int(NOW) - 3_599, int(NOW) - 1_800), *range(int(NOW) - 900, int(NOW))):
        archive.add(reading(float(t), watts=7.0), NOW)
    parts = archive.history("hour", NOW).parts["watts"]
    assert len(parts) == PARTS
    assert all(parts[:59])
    assert not any(parts[61:89])
    assert all(parts[91:])


def test_the_files_grow_no_more_and_old_periods_go(tmp_path):
    archive = Archive(tmp_path, "ALPHA")
    for quarter in range(70 * 96):
        t = NOW + quarter * 900
        archive.add(reading(t, watts=float(quarter)), t)
    last = NOW + 70 * DAY - 900
    history = archive.history("programme", last)
    assert history.whole["watts"] == (14 * 96, (14 * 96 + 70 * 96 - 1) / 2, 70 * 96 - 1)
    sizes = []
    for _ in range(2):
        for _ in range(4_000):
            last += 1
            archive.add(reading(last), last)
        sizes.append({file.name: file.stat().st_size for file in tmp_path.iterdir()})
    assert sizes[0] == sizes[1]
    assert sum(sizes[0].values()) < 5_000_000
    archive.close()


def test_what_was_kept_is_there_after_opening_again(tmp_path):
    first = Archive(tmp_path, "ALPHA")
    for second in range(90):
        first.add(reading(NOW + second, watts=1.0), NOW + second)
    first.close()
    again = Archive(tmp_path, "ALPHA")
    again.add(reading(NOW + 90, watts=4.0), NOW + 90)
    assert again.history("day", NOW + 100).whole["watts"] == (1.0, pytest.approx(94 / 91), 4.0)
    again.close()


WRITER = """
import sys, itertools
from pathlib import Path
from console.hosts.archive import Archive
from operations.host.readings import Reading

archive = Archive(Path(sys.argv[1]), "ALPHA")
for second in itertools.count():
    t = float(sys.argv[2]) + second
    archive.add(Reading(t=t, ram_used=5, ram_total=9, disk_free=1, load1=0.0, watts=1.0), t)
    print(second, flush=True)
"""


def test_a_kill_loses_nothing_that_was_added(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, str(NOW)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    while (said := int(writer.stdout.readline())) < 500:
        pass
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    last = max([said, *map(int, writer.stdout.read().split())])
    writer.stdout.close()
    archive = Archive(tmp_path, "ALPHA")
    assert archive.newest(NOW + 3_000) >= NOW + last + 1
    table = archive._rings["day"].table(0, int(NOW))
    assert table["watts"]["n"].sum() >= last + 1
    archive.close()


def test_a_torn_record_is_a_gap_and_nothing_else(tmp_path):
    ring = Ring(tmp_path / "r", 60, 100, ["a", "b"])
    for minute in range(10):
        ring.add(NOW + 60 * minute, {"a": float(minute + 1)})
    ring.flush()
    size = (tmp_path / "r").stat().st_size
    first = int(NOW // 60)
    at = 4_096 + (first + 4) % 100 * ring._size
    with (tmp_path / "r").open("r+b") as file:
        file.seek(at + 12)
        file.write(b"\xff\xff")
    assert ring.table(0, first + 99)["a"]["mean"].tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    os.truncate(tmp_path / "r", size - 5)
    assert len(ring.table(0, first + 99)) in (8, 9)
    ring.close()


@pytest.mark.parametrize("content", [b"", b"rubbish", b"{}", b'{"format":"gladiator readings 1","step":60}', b"[1]"])
def test_a_file_that_is_no_ring_is_set_aside(tmp_path, content):
    (tmp_path / "r").write_bytes(content)
    ring = Ring(tmp_path / "r", 1, 10, ["a"])
    ring.add(NOW, {"a": 1.0})
    ring.close()
    assert (tmp_path / "r.aside").read_bytes() == content
    assert len(Ring(tmp_path / "r", 1, 10, ["a"]).table(0, int(NOW))) == 1


def test_a_program_that_knows_more_columns_goes_on_in_an_older_ones_file(tmp_path):
    old = Ring(tmp_path / "r", 1, 10, ["a"])
    old.add(NOW, {"a": 1.0})
    old.close()
    new = Ring(tmp_path / "r", 1, 10, ["b", "a"])
    new.add(NOW + 1, {"a": 2.0, "b": 3.0})
    new.flush()
    assert new.table(0, int(NOW) + 9)["a"]["mean"].tolist() == [1.0, 2.0]
    assert not (tmp_path / "r.aside").exists()


def test_a_clock_that_is_years_off_counts_for_the_time_it_came(archive):
    archive.add(reading(978_307_200.0, watts=3.0), NOW)
    archive.add(reading(NOW + 1 + 3_600, watts=5.0), NOW + 1)
    assert archive.history("hour", NOW + 2).whole["watts"] == (3.0, 3.0, 3.0)
    assert archive.history("hour", NOW + 3_700).whole["watts"].high == 5.0


def test_what_jobs_sampled_while_no_console_was_open_fills_the_gap_once(archive, tmp_path):
    for second in range(60):
        archive.add(reading(NOW - 9_000 + second, watts=1.0), NOW - 9_000 + second)
    night = [reading(NOW - 9_500 + 10 * n, watts=50.0) for n in range(900)]
    (tmp_path / "a").write_bytes(lines(*night) + b'{"t": 12')
    (tmp_path / "b").write_bytes(b"\x00\xffrubbish\n" + lines(*night[100:]))
    files = [tmp_path / "a", tmp_path / "b", tmp_path / "absent"]
    for file in files[:2]:
        os.utime(file, (NOW, NOW))
    taken = archive.fill(files, NOW)
    assert taken == sum(one.t >= NOW - 9_000 + 60 for one in night)
    day = archive.history("day", NOW)
    assert day.whole["watts"] == (1.0, pytest.approx((60 + 50 * taken) / (60 + taken)), 50.0)
    again = archive.fill(files, NOW)
    assert again == 0
    assert archive.history("day", NOW) == day


def test_a_file_that_has_not_changed_since_is_not_even_read(archive, tmp_path):
    archive.add(reading(NOW), NOW)
    (tmp_path / "a").write_bytes(lines(reading(NOW + 10)))
    os.utime(tmp_path / "a", (NOW - 100, NOW - 100))
    assert archive.fill([tmp_path / "a"], NOW + 20) == 0
    os.utime(tmp_path / "a", (NOW + 10, NOW + 10))
    assert archive.fill([tmp_path / "a"], NOW + 20) == 1


def test_one_console_at_a_time_writes(tmp_path):
    first, second = Turn(tmp_path), Turn(tmp_path)
    assert first.take()
    assert first.take()
    assert not second.take()
    first.close()
    assert second.take()
    second.close()


def test_what_is_not_had_has_no_value():
    assert values(reading(NOW)) == {"ram_used": 5e9, "disk_free": 61e9, "load1": 0.5}
