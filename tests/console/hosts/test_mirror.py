import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.hosts.mirror import Gap, Mirror
from operations.events import LINE_LIMIT

lines = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"") + b"\n"), max_size=12)


@given(st.data(), lines)
def test_the_mirror_is_the_original_after_any_cuts(tmp_path_factory, data, lines):
    """Each life of the mirror asks from its size, gets a piece in frames, and ends at any byte, torn or not."""
    original = b"".join(lines)
    path = tmp_path_factory.mktemp("mirror") / "FAR" / "j1" / "events.jsonl"
    for _ in range(data.draw(st.integers(0, 4))):
        mirror = Mirror(path)
        assert original.startswith(path.read_bytes()[: mirror.size])
        offset = mirror.size
        for length in data.draw(st.lists(st.integers(0, 60), max_size=4)):
            piece = original[offset : offset + length]
            mirror.write(offset, piece)
            offset += len(piece)
        mirror.close()
        if data.draw(st.booleans()):
            with path.open("ab") as stream:  # a crash tore the last write
                stream.write(original[mirror.size : offset])
    mirror = Mirror(path)
    mirror.write(mirror.size, original[mirror.size :])
    mirror.close()
    assert path.read_bytes() == original


def test_only_whole_lines_are_written(tmp_path):
    mirror = Mirror(tmp_path / "x")
    mirror.write(0, b"one\ntwo")
    assert ((tmp_path / "x").read_bytes(), mirror.size) == (b"one\n", 4)
    mirror.write(7, b"\n")
    assert (tmp_path / "x").read_bytes() == b"one\ntwo\n"


def test_a_gap_is_an_error_and_changes_nothing(tmp_path):
    mirror = Mirror(tmp_path / "x")
    mirror.write(0, b"one\ntw")
    for offset in (4, 7, 100):
        mirror.restart()
        mirror.write(4, b"tw")
        with pytest.raises(Gap):
            mirror.write(offset, b"o\n")
    assert (tmp_path / "x").read_bytes() == b"one\n"
    mirror.write(mirror.restart(), b"two\n")
    assert (tmp_path / "x").read_bytes() == b"one\ntwo\n"


def test_a_line_without_end_is_refused(tmp_path):
    mirror = Mirror(tmp_path / "x")
    with pytest.raises(ValueError, match="more than"):
        mirror.write(0, b"x" * (LINE_LIMIT + 1))
    assert (tmp_path / "x").read_bytes() == b""


def test_zeros_that_a_power_cut_left_are_written_over(tmp_path):
    (tmp_path / "x").write_bytes(b"one\n" + bytes(200_000))
    mirror = Mirror(tmp_path / "x")
    assert mirror.size == 4
