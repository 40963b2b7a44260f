"""The report of an evaluation: what it recommends, and that nothing foreign in it is ever rendered."""

import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from operations import events, job
from operations.contract import Observed
from operations.model.evaluation import results

EVIL = "<script>alert(1)</script> | **bold** [x](http://evil) \x1b]52;c;x\x07 \u202e \n# heading"


def answers(right, wrong, payload="north gate"):
    return [
        results.Answer(id=f"r{i}", attack_type="xss", predicted="xss" if i < right else "benign", probability=0.9,
                       payload=payload, generated="xss")
        for i in range(right + wrong)
    ]  # fmt: skip


def summary(made, **changed):
    found = results.summarise(
        made, labels=("benign", "xss"), shift=None, loss=0.1, scored_by="one position", device="CPU", seconds=1.0,
        inputs={"model": "0" * 64}, kept=200,
    )  # fmt: skip
    return msgspec.structs.replace(found, **changed)


@pytest.fixture
def training(host):
    """A run whose loss falls over 100 steps."""
    directory = host.root / "jobs" / "trained"
    directory.mkdir(parents=True)
    described = job.JobFile(id="trained", task="T", operation="model.finetune")
    (directory / job.JOB).write_bytes(job.encode(described))
    told = [events.Metric(t=float(i), name="loss", step=i, value=3 / i) for i in range(1, 101)]
    told += [events.Progress(t=1.0, done=100, total=100, unit="steps"), events.Finished(t=200.0, outcome="done")]
    (directory / job.EVENTS).write_bytes(b"".join(map(events.encode, told)))
    return Observed(jobs=("trained",))


def reported(host, found, **more):
    path = host.root / "results.json"
    results.write(path, found)
    told = host.run("model.report", results=host.artefact(path), **more)
    texts = [host.path(host.made(told, name)[None]).read_text() for name in ("report_md", "report_html")]
    return told, *texts


def test_go_is_recommended_where_all_criteria_are_met(host, training):
    told, text, page = reported(host, summary(answers(95, 5)), training=training)
    assert told.value("recommendation") == "GO recommended"
    assert (told.value("criteria"), told.value("criteria_met"), told.value("not_met")) == (4, 4, "none")
    assert (told.value("right_shown"), told.value("wrong_shown")) == (10, 5)
    assert "95.0% [88.8%, 97.8%], 95 of 100" in page
    for word in ("Rationale", "Approved by"):
        assert f"## {word}\n\nTo be written by a person" in text
    assert "<polyline" in page


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"accuracy": 0.89, "correct": 89, "incorrect": 11}, "Detection accuracy"),
        ({"coherent": results.Share(100, 98, 0.98)}, "Coherent answers"),
        ({"coherent": None}, "Coherent answers"),
        ({"errors": 1}, "Critical errors"),
    ],
)
def test_one_criterion_not_met_is_enough_for_no_go(host, training, changed, named):
    told, text, _ = reported(host, summary(answers(95, 5), **changed), training=training)
    assert told.value("recommendation") == "NO-GO recommended"
    assert named in told.value("not_met")
    assert "NO-GO recommended" in text


def test_no_training_on_record_is_not_measured_and_no_go(host):
    told, _, page = reported(host, summary(answers(100, 0)))
    assert told.value("recommendation") == "NO-GO recommended"
    assert "The loss falls" in told.value("not_met")
    assert "not measured" in page


class Seen(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes = set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_nothing_foreign_is_rendered_or_loaded(host, training):
    made = answers(50, 50, payload=EVIL)
    made = [msgspec.structs.replace(a, generated=EVIL, id=EVIL) for a in made]
    _, text, page = reported(host, summary(made), training=training, title="<b>x</b>")
    seen = Seen()
    seen.feed(page)
    assert not seen.tags & {"script", "b", "a", "img", "iframe", "link", "object"}
    assert not {name for name in seen.attributes if name.startswith("on")} | seen.attributes & {"src", "href"}
    assert "default-src 'none'" in page
    for control in ("\x1b", "\x07", "\u202e"):
        assert control not in page
        assert control not in text
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\]\(", text)
    assert "\n# heading" not in text
    rows = [line for line in text.splitlines() if "alert" in line]
    assert rows
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {7}


def test_broken_results_are_refused(host):
    path = host.root / "results.json"
    path.write_text(json.dumps({"total": 3}))
    with pytest.raises(Exception, match="holds no results of an evaluation"):
        host.run("model.report", results=host.artefact(path))
