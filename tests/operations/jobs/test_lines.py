from hypothesis import given
from hypothesis import strategies as st

from operations import events
from operations.lines import CUT, TextLines, WholeLines, cut, one_line


def pieces(draw, data):
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@given(st.data(), st.lists(st.text("abc\r äö", max_size=30), max_size=8))
def test_text_lines_do_not_depend_on_how_the_bytes_come(data, lines):
    stream = "\n".join(lines).encode()
    whole, split = TextLines(), TextLines()
    expected = whole.feed(stream, 0.0) + whole.close()
    found = [text for part in pieces(data.draw, stream) for text in split.feed(part, 0.0)] + split.close()
    assert found == expected


@given(st.lists(st.text("abc äö", max_size=30), min_size=1, max_size=8))
def test_text_lines_without_returns_are_the_lines(lines):
    reader = TextLines()
    assert reader.feed("".join(f"{line}\n" for line in lines).encode(), 0.0) == lines
    assert reader.close() == []


@given(st.lists(st.text("abc äö", min_size=1, max_size=30), min_size=1, max_size=8))
def test_windows_line_ends_are_line_ends(lines):
    assert TextLines().feed("".join(f"{line}\r\n" for line in lines).encode(), 0.0) == lines


def test_what_redraws_itself_is_told_now_and_then_and_at_its_end():
    reader = TextLines()
    told = [text for second in range(100) for text in reader.feed(b"\r%d s" % second, float(second))]
    assert 15 <= len(told) <= 25
    assert reader.feed(b"\n", 100.0) == ["99 s"]


@given(st.data(), st.binary(max_size=300))
def test_whole_lines_do_not_depend_on_how_the_bytes_come(data, stream):
    expected = WholeLines(50).feed(stream)
    split = WholeLines(50)
    assert [line for part in pieces(data.draw, stream) for line in split.feed(part)] == expected
    assert [line if line is None else len(line) for line in expected] == [
        None if len(line) >= 50 else len(line) for line in stream.split(b"\n")[:-1]
    ]


@given(st.text(max_size=20).map(lambda text: text * 500) | st.just("\0" * 5000) | st.just("\ud800" * 5000))
def test_a_cut_text_fits_a_line_of_events(text):
    assert len(cut(text)) <= events.TEXT_LIMIT
    events.encode(events.Log(t=1e9, text=cut(text), level="warning"))
    assert cut(text) == text or cut(text).endswith(CUT) or "\ud800" in text


def test_a_reason_is_one_line():
    assert one_line(" a\n b\tc ") == "a b c"
    assert one_line("\n") == "no reason given"
