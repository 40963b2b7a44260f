"""Transfers that are cut, killed or changed on their way, and go on from what the sink knows to be right."""

import os

import pytest

from operations import events
from operations.network.partial import _marks
from operations.network.passing import BLOCK, pace
from tests.operations.network.test_transfer import Ends, Proxy

SIZE = 5 * BLOCK + 12_345
ALL = 1 << 60


@pytest.fixture
def ends(host, tmp_path):
    return Ends(host, tmp_path)


@pytest.fixture
def file(ends):
    path = ends.roots["source"] / "data" / "patterns.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(SIZE))
    return path


def attempt(ends, artefact, number, left, at=ALL, how="cut"):
    """One attempt through a proxy; its two ends, what went through, what it leaves for the next."""
    ends.id = f"t{number}"
    proxy = Proxy(at, how=how)
    found = ends.bring(artefact, through=proxy, sink={"resume": left, "patience": 4.0})
    return found, proxy.seen, [*left, *ends.left_behind()]


def test_three_cuts_and_all_of_it_is_right_and_nothing_came_twice(ends, file):
    artefact, left, passed = ends.artefact(file), [], 0
    for number, at in enumerate((BLOCK + 500_000, BLOCK + 700_000, 2 * BLOCK + 900_000), 1):
        found, seen, left = attempt(ends, artefact, number, left, at)
        assert [end.outcome for end in found] == ["failed", "failed"]
        assert "the connection to the source ended too soon" in found[0].reason
        passed += seen
    found, seen, _ = attempt(ends, artefact, 4, left)
    assert [end.outcome for end in found] == ["done", "done"], found
    (copy,) = [made for made in ends.said("sink", events.Made) if made.name == "copy"]
    assert copy.sha256 == artefact["sha256"]
    assert (ends.roots["sink"] / copy.path).read_bytes() == file.read_bytes()
    for role in ("sink", "source"):
        measures = ends.measures(role)
        assert (measures["match"].value, measures["digest"].value) == (True, artefact["sha256"])
        assert measures["resumed"].value == 4 * BLOCK
        assert measures["size"].value == SIZE
        assert measures["seconds"].value is None
    assert seen < BLOCK + 100_000
    assert passed + seen < SIZE + 3 * BLOCK  # a cut costs a block at most
    log = [event.text for event in ends.said("sink", events.Log)]
    assert f"{4 * BLOCK} of {SIZE} bytes are here from job t3 as they came: going on" in log
    assert not [path for path in ends.roots["sink"].rglob(".*") if path.is_file()]


def test_a_killed_sink_leaves_what_can_be_taken_up(ends, file):
    """Not a word after the kill: what was told before is enough."""
    artefact = ends.artefact(file)
    proxy = Proxy(3 * BLOCK + 100_000, how="stall")
    directory = ends.start("sink", artefact)
    address, port = proxy(ends.endpoint().address, ends.endpoint().port)
    ends.start("source", artefact, endpoint_address=address, endpoint_port=port, patience=3.0)
    ledger = directory / "artefacts" / ".patterns.json.ledger"
    ends.host.until(lambda: ledger.exists() and len(ledger.read_text().splitlines()) >= 2)
    ends.processes["sink"].kill()
    ends.processes["sink"].wait(10)
    ends.processes["source"].wait(30)
    (left,) = ends.left_behind()
    assert left.name == "partial"
    found, seen, _ = attempt(ends, artefact, 2, [left])
    assert [end.outcome for end in found] == ["done", "done"]
    assert ends.measures("sink")["resumed"].value >= 2 * BLOCK
    assert seen < 3 * BLOCK + 100_000 + 12_345


def test_a_flipped_byte_is_found_in_its_block_and_only_that_comes_again(ends, file):
    artefact = ends.artefact(file)
    found, _, left = attempt(ends, artefact, 1, [], 2 * BLOCK + 300_000, how="flip")
    assert [end.outcome for end in found] == ["failed", "failed"]
    for end in found:
        assert f"changed on their way: patterns.json, between bytes {2 * BLOCK} and {3 * BLOCK}" in end.reason
    found, seen, _ = attempt(ends, artefact, 2, left)
    assert [end.outcome for end in found] == ["done", "done"]
    assert ends.measures("sink")["resumed"].value == 2 * BLOCK
    assert seen > SIZE - 2 * BLOCK


def test_a_flipped_byte_in_a_directory_is_named_by_its_file(ends):
    path = ends.roots["source"] / "data"
    path.mkdir(parents=True)
    for name in ("a.jsonl", "b.jsonl", "c.jsonl"):
        (path / name).write_bytes(os.urandom(BLOCK))
    found, _, left = attempt(ends, ends.artefact(path), 1, [], 3 * BLOCK // 2, how="flip")
    for end in found:
        assert "changed on their way: b.jsonl, between bytes 0 and" in end.reason
    found, seen, _ = attempt(ends, ends.artefact(path), 2, left)
    assert [end.outcome for end in found] == ["done", "done"]
    assert ends.measures("sink")["files"].value == 3
    assert seen < 2 * BLOCK + 100_000


@pytest.mark.parametrize("harm", ["flip", "shorten", "remove", "ledger", "other"])
def test_a_part_that_was_harmed_since_is_used_as_far_as_it_is_right(ends, file, harm):
    artefact = ends.artefact(file)
    _, _, left = attempt(ends, artefact, 1, [], 3 * BLOCK + 100_000)
    directory = ends.roots["sink"] / "jobs/t1/artefacts"
    part, ledger = directory / ".patterns.json.part", directory / ".patterns.json.ledger"
    right = 0
    match harm:
        case "flip":
            with part.open("r+b") as stream:
                stream.seek(BLOCK + 5)
                byte = stream.read(1)
                stream.seek(BLOCK + 5)
                stream.write(bytes([byte[0] ^ 1]))
            right = BLOCK
        case "shorten":
            os.truncate(part, 2 * BLOCK + 1)
            right = 2 * BLOCK
        case "remove":
            part.unlink()
        case "ledger":
            ledger.write_text(ledger.read_text()[:-30])
            right = 2 * BLOCK
        case "other":
            artefact = {**artefact, "sha256": "0" * 64}
    found, _, _ = attempt(ends, artefact, 2, left)
    if harm == "other":
        assert "no longer the artefact" in found[0].reason
        return
    assert [end.outcome for end in found] == ["done", "done"], found
    assert ends.measures("sink")["resumed"].value == right


def test_a_byte_that_was_flipped_before_a_cut_is_found_when_it_goes_on(ends, file):
    """Nobody had held the part against anything yet: the source's digests are asked for before it is taken up."""
    artefact = ends.artefact(file)
    first = Flip(BLOCK + 5_000, then=3 * BLOCK + 100_000)
    ends.id = "t1"
    assert [end.outcome for end in ends.bring(artefact, through=first)] == ["failed", "failed"]
    found, seen, _ = attempt(ends, artefact, 2, ends.left_behind())
    assert [end.outcome for end in found] == ["done", "done"], found
    assert ends.measures("sink")["resumed"].value == BLOCK
    assert SIZE - BLOCK < seen < SIZE - BLOCK + 100_000
    (warned,) = [event.text for event in ends.said("sink", events.Log) if event.level == "warning"]
    assert warned.startswith(f"patterns.json, between bytes {BLOCK} and {2 * BLOCK}: what came before is not")


def test_two_files_that_were_changed_on_their_way_are_counted_and_come_again(ends):
    path = ends.roots["source"] / "data"
    path.mkdir(parents=True)
    for name in ("a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl"):
        (path / name).write_bytes(os.urandom(BLOCK // 2))
    artefact, flips = ends.artefact(path), Flip(BLOCK // 4, 3 * BLOCK // 4)
    found = ends.bring(artefact, through=flips)
    for end in found:
        assert f"changed on their way: a.jsonl, between bytes 0 and {BLOCK // 2}, and 1 files more" in end.reason
    measures = ends.measures("sink")
    assert (measures["match"].value, measures["digest"].value, measures["files"].value) == (False, None, 2)
    found, seen, _ = attempt(ends, artefact, 2, ends.left_behind())
    assert [end.outcome for end in found] == ["done", "done"]
    assert BLOCK < seen < BLOCK + 100_000


class Flip(Proxy):
    """Changes the bytes at each place of the stream, and cuts it at ``then``."""

    def __init__(self, *places: int, then: int = ALL) -> None:
        super().__init__(then, how="cut")
        self.places = places

    def changed(self, data: bytearray) -> bytearray:
        for place in self.places:
            if self.seen <= place < self.seen + len(data):
                data[place - self.seen] ^= 1
        return data


def test_a_source_that_changed_between_the_attempts_is_sent_whole_and_found_out(ends, file):
    artefact = ends.artefact(file)
    _, _, left = attempt(ends, artefact, 1, [], 2 * BLOCK + 100_000)
    file.write_bytes(os.urandom(SIZE))
    found, seen, _ = attempt(ends, artefact, 2, left)
    assert "no longer the artefact" in found[0].reason
    assert seen > SIZE
    assert "what came before is not what the source has" in str(ends.said("sink", events.Log))


def test_a_stopped_sink_keeps_its_part(ends, file):
    artefact = ends.artefact(file)
    proxy = Proxy(2 * BLOCK + 100_000, how="stall")
    directory = ends.start("sink", artefact)
    address, port = proxy(ends.endpoint().address, ends.endpoint().port)
    ends.start("source", artefact, endpoint_address=address, endpoint_port=port)
    ends.host.until(lambda: ends.said("sink", events.Made))
    ledger = directory / "artefacts" / ".patterns.json.ledger"
    ends.host.until(ledger.read_text)
    (directory / "stop").touch()
    sink, _ = ends.ended()
    known = len(ledger.read_text().splitlines())
    assert known in (1, 2)
    assert (sink.outcome, sink.reason) == ("stopped", f"asked to stop; {known * BLOCK} bytes are kept")


def test_a_link_that_is_cut_and_comes_back(lab, ends, file, new_run):
    """The cable pulled, not a socket closed: the ends learn of it by silence."""
    run = new_run("network.transfer", ("sink", "source"), lab=lab, hosts=("alpha", "beta"))
    run.roots = ends.roots
    artefact = ends.artefact(file)
    given = {"artefact": artefact, "address": lab.host["alpha"].address, "patience": 2.0}
    lab.rate("alpha", "200mbit")
    run.start("sink", **given)
    run.start("source", **{**given, **run.endpoint()})
    run.host.until(lambda: run.said("sink", events.Made))
    lab.cut("alpha")
    ends_of = run.ended()
    assert {end.outcome for end in ends_of.values()} == {"failed"}
    assert "the source was silent for 2 s" in ends_of["sink"].reason
    made = run.said("sink", events.Made)
    left = [Ends.left_behind(ends_at(ends, run.id))[0]]
    assert [m.name for m in made] == ["partial"]
    lab.restore("alpha")
    lab.rate("alpha", None)
    run.id = "t2"
    again = run.all(**given, per_role={"sink": {"resume": left}})
    assert {end.outcome for end in again.values()} == {"done"}, again
    found = run.measures("sink")
    assert found["resumed"].value >= BLOCK
    assert (found["rate"].value, found["rate"].reason) == (None, "both hosts share one machine")
    assert found["observed"].value > 0


def ends_at(ends, id):
    ends.id = id
    return ends


def test_a_file_made_for_its_time_is_kept_nowhere(ends):
    for role in ends.roots.values():
        role.mkdir()
    ends.start("sink", None, make=2_000_000, timed_from=10_000_000_000)
    end = ends.endpoint()
    where = {"endpoint_address": end.address, "endpoint_port": end.port}
    ends.start("source", None, make=2_000_000, timed_from=10_000_000_000, **where)
    assert [end.outcome for end in ends.ended()] == ["done", "done"]
    found = {role: ends.measures(role) for role in ("sink", "source")}
    assert found["sink"]["digest"].value == found["source"]["digest"].value
    assert found["sink"]["match"].value is True
    assert found["sink"]["size"].value == 2_000_000
    assert ends.said("sink", events.Made) == []
    assert not list(ends.roots["source"].rglob("*.bin")) + list(ends.roots["sink"].rglob("*random*"))


@pytest.mark.parametrize("given", [{}, {"make": 5}])
def test_an_artefact_or_a_file_to_make_and_not_both(ends, file, given):
    ends.start("sink", ends.artefact(file) if given else None, **given)
    ends.processes["sink"].wait(30)
    assert "name one of them" in ends.said("sink", events.Finished)[0].reason


def test_too_few_bytes_have_no_time():
    from operations.network.transfer import Parameters

    asked = Parameters(role="sink", make=1, timed_from=10_000_000_000)
    assert asked.too_small(10_737_418_240) == ""
    assert asked.too_small(20_000_000) == "20000000 bytes, at least 10000000000 are asked for"


def test_progress_says_how_fast_and_how_much_longer():
    assert pace(2_500_000_000, 10_000_000_000, 2_500_000_000, 3.0) == "2.5 of 10 GB, 833 MB/s, 9 s left"
    assert pace(6_000_000_000, 10_000_000_000, 1_000_000_000, 2.0) == "6 of 10 GB, 500 MB/s, 8 s left"
    assert pace(0, 10_000_000_000, 0, 0.0) == "0 of 10 GB"


def test_a_ledger_is_read_up_to_what_is_no_line(tmp_path):
    ledger = tmp_path / "ledger"
    assert _marks(ledger) == {}
    digest = "a" * 64
    ledger.write_text(f"5 {digest} x y\n9 {digest} x y\nnonsense\n3 {digest} x y\n7 {digest} cut")
    assert _marks(ledger)["x y"] == [(3, digest)]
    assert "cut" not in _marks(ledger)
