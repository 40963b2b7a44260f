"""Blocks of a report, and what a hostile text can do in them: nothing."""

import math
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations import report


class Read(HTMLParser):
    """The text of each table cell, and every tag."""

    def __init__(self):
        super().__init__()
        self.cells, self.tags, self._in = [], [], False

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "td":
            self.cells.append("")
            self._in = True

    def handle_endtag(self, tag):
        self._in = self._in and tag != "td"

    def handle_data(self, data):
        if self._in:
            self.cells[-1] += data


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_cells_say_what_was_put_in_and_no_more(texts):
    page = report.html("t", [report.Table(tuple(texts), (tuple(texts),))])
    read = Read()
    read.feed(page)
    assert read.cells == [report.clean(text) for text in texts]
    assert read.tags.count("td") == len(texts)
    assert set(read.tags) <= {
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "h1",
        "table",
        "thead",
        "tr",
        "th",
        "tbody",
        "td",
    }


@given(st.lists(st.text(max_size=60), min_size=1, max_size=4))
def test_markdown_rows_keep_their_columns_and_lines(texts):
    page = report.markdown("t", [report.Table(tuple(texts), (tuple(texts),))])
    lines = page.splitlines()
    assert len(lines) == 5
    for line in lines[2:]:
        bare = line.replace("\\\\", "").replace("\\|", "")
        assert bare.count("|") == len(texts) + 1
        assert "<" not in line


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("99 of 100 = 99.0 %, at 14:02 (UTC) - by Ada!", "99 of 100 = 99.0 %, at 14:02 (UTC) - by Ada!"),
        ("# no heading", "\\# no heading"),
        ("- no item", "\\- no item"),
        ("1. no item", "1\\. no item"),
        ("100) no item", "100\\) no item"),
        ("*no* _stress_ `code` ~~gone~~", "\\*no\\* \\_stress\\_ \\`code\\` \\~\\~gone\\~\\~"),
        ("[no](link) ![image](x)", "\\[no\\](link) !\\[image\\](x)"),
        ("http://no.link www.no.link a@no.link", "http\\://no.link www\\.no.link a\\@no.link"),
        ("<script>&amp;", "&lt;script\\>&amp;amp;"),
        ("> no quote | no cell", "\\> no quote \\| no cell"),
    ],
)
def test_markdown_escapes_what_it_would_read_and_leaves_prose_alone(text, written):
    assert report.markdown("t", [report.Paragraph(text)]).splitlines()[-1] == written


def test_cell_that_was_not_measured_is_a_dash_never_a_zero():
    table = report.Table(("a",), ((None,),))
    assert "<td>–</td>" in report.html("t", [table])
    assert "| – |" in report.markdown("t", [table])


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)), min_size=1, max_size=5_000))
def test_thinning_keeps_extremes_order_and_gaps(values):
    points = list(enumerate(map(float, values)))
    kept = report.thinned(points, 300)
    assert len(kept) <= max(300, len(points) if len(points) <= 300 else 0) + 3
    assert [x for x, _ in kept] == sorted(x for x, _ in kept)
    fine = [y for _, y in points if math.isfinite(y)]
    if fine:
        shown = [y for _, y in kept if math.isfinite(y)]
        assert (min(shown), max(shown)) == (min(fine), max(fine))
    assert any(math.isnan(y) for _, y in kept) == any(map(math.isnan, values))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_round_few_and_inside(low, span):
    found = report.ticks(low, low + span)
    assert 1 <= len(found) <= 11
    assert all(low - span * 1e-6 <= t <= low + span * (1 + 1e-6) for t in found)


def test_curve_is_broken_where_it_is_not_finite():
    points = ((1.0, 2.0), (2.0, 1.5), (3.0, math.nan), (4.0, 1.0), (5.0, 0.5))
    chart = report.Chart("Loss", "step", "loss", (report.Series("loss", points),))
    page = report.html("t", [chart])
    assert page.count("<polyline") == 2
    assert "nan" in report.markdown("t", [chart])


def test_chart_without_a_point_says_so():
    chart = report.Chart("Loss", "step", "loss", (report.Series("loss", ((1.0, math.inf),)),))
    assert "no points" in report.html("t", [chart])


def test_smoothing_is_a_trailing_mean_that_no_nan_slips_through():
    points = [(float(i), float(i)) for i in range(1, 7)]
    assert [y for _, y in report.smoothed(points, 3)] == [1.0, 1.5, 2.0, 3.0, 4.0, 5.0]
    points[2] = (3.0, math.nan)
    assert [math.isnan(y) for _, y in report.smoothed(points, 2)] == [False, False, True, True, False, False]


def test_proportion_is_told_with_interval_and_count():
    assert report.proportion(93, 100) == "93.0% [86.3%, 96.6%], 93 of 100"


@pytest.mark.parametrize(
    ("value", "text"), [(None, None), (3, "3"), (1234567, "1,234,567"), (0.123456, "0.1235"), (math.nan, "nan")]
)
def test_numbers(value, text):
    assert report.number(value) == text
