"""``host.shell`` with real commands: what it measures, and every way in which a command can end otherwise."""

import hashlib
import os
import sys
import time
from pathlib import Path

import pytest

from operations import events, job, registry
from operations.host.command import LOGGED, TAIL


def shell(host, id="j1", **parameters):
    """Its end, measures by name, text of the log, artefacts."""
    _, history = host.run("host.shell", id, **parameters)
    ended = history[-1]
    measures = {e.name: e for e in history if isinstance(e, events.Measured)}
    texts = [e.text for e in history if isinstance(e, events.Log)]
    made = [e for e in history if isinstance(e, events.Made)]
    return ended, measures, texts, made


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_command_is_measured(host):
    ended, measures, texts, made = shell(
        host, command=["printf", "%s\n", "3 files", "2,041 rows"], value=r"([\d,]+) rows"
    )
    assert ended.outcome == "done", ended
    assert {name: m.value for name, m in measures.items() if name != "seconds"} == {
        "exit_status": 0,
        "lines": 2,
        "value": 2041.0,
    }
    assert 0 < measures["seconds"].value < 10
    assert texts == ["3 files", "2,041 rows"]
    assert made == []


def test_arguments_are_never_read_by_a_shell(host):
    _, _, texts, _ = shell(host, command=["printf", "%s", "$(id) `id`; id > leaked * ~"])
    assert texts == ["$(id) `id`; id > leaked * ~"]
    assert not (host.root / "leaked").exists()


def test_it_runs_in_the_hosts_root_with_nothing_to_read(host):
    (host.root / "here.txt").write_text("x")
    assert shell(host, command=["ls", "here.txt"])[0].outcome == "done"
    assert shell(host, "j2", command=["cat"])[1]["lines"].value == 0


def test_the_last_number_counts_and_what_is_none_has_a_reason(host):
    _, measures, _, _ = shell(host, command=["printf", "a=1\na=-2.5e3\nb=9\n"], value="a=(.*)")
    assert measures["value"].value == -2500.0
    for id, value, reason in (
        ("j2", "", "no expression"),
        ("j3", "c=(.*)", "found nothing"),
        ("j4", "(b)=", "is no number"),
    ):
        _, measures, _, _ = shell(host, id, command=["printf", "a=1\nb=9\n"], value=value)
        assert measures["value"].value is None
        assert reason in measures["value"].reason


@pytest.mark.parametrize("word", ["nan", "inf", "1e999"])
def test_what_is_not_finite_is_no_number(host, word):
    assert shell(host, command=["printf", f"a={word}"], value="a=(.*)")[1]["value"].value is None


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"command": ["no-such-program-here"]}, "'no-such-program-here' can't be run on this host: No such file"),
        ({"command": ["/"]}, "'/' can't be run on this host: Permission denied"),
        ({"command": ["false"]}, "false ended with status 1, not 0"),
        ({"command": ["true"], "expect_status": [1, 3]}, "true ended with status 0, not 1 or 3"),
        ({"command": ["sleep", "60"], "timeout": 0.3}, "sleep was not done after 0.3 s, and was ended"),
        ({"command": ["sh", "-c", "kill -9 $$"]}, "sh was ended by SIGKILL"),
        ({"command": ["true"], "value": "("}, "value: '(' is no regular expression"),
        ({"command": ["true"], "value": "a"}, "value: 'a' has 0 groups; expected one"),
        ({"command": ["printf", "a\0b"]}, "'printf' can't be run: embedded null byte"),
        ({"command": []}, "parameters of host.shell: Expected `array` of length >= 1"),
        ({"command": ["true"], "output": "../x"}, "parameters of host.shell: Expected `str` matching"),
        ({"command": "true"}, "parameters of host.shell: Expected `array`, got `str`"),
    ],
)
def test_what_goes_wrong_is_one_line(host, parameters, said):
    ended, _, texts, made = shell(host, **parameters)
    assert ended.outcome == "failed"
    assert said in ended.reason
    assert "\n" not in ended.reason
    assert not any("Traceback" in text for text in texts)
    assert made == []


def test_another_status_may_be_asked_for(host):
    ended, measures, _, _ = shell(host, command=["grep", "x", os.devnull], expect_status=[0, 1])
    assert (ended.outcome, measures["exit_status"].value) == ("done", 1)


def test_what_failed_is_measured_all_the_same(host):
    ended, measures, texts, _ = shell(host, command=["sh", "-c", "echo n=7; echo oh >&2; exit 4"], value=r"n=(\d)")
    assert ended.outcome == "failed"
    assert (measures["exit_status"].value, measures["lines"].value, measures["value"].value) == (4, 1, 7.0)
    assert sorted(texts) == ["n=7", "oh"]
    _, measures, _, _ = shell(host, "j2", command=["sh", "-c", "kill -TERM $$"])
    assert measures["exit_status"].value is None
    assert "SIGTERM" in measures["exit_status"].reason


def test_a_timeout_is_no_suggestion(host):
    """A command that ignores the request to end is ended, and so is what it started."""
    code = "import signal,time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    began = time.monotonic()
    ended, _, texts, _ = shell(host, command=python(code), timeout=1.0)
    assert ended.outcome == "failed"
    assert texts == ["up"]
    assert time.monotonic() - began < 20


def test_what_a_command_leaves_behind_ends_with_the_job(host):
    began = time.monotonic()
    ended, _, texts, _ = shell(host, command=["sh", "-c", "sleep 300 & echo $!"])
    assert ended.outcome == "done"
    assert time.monotonic() - began < 20, "waited for what it left behind"
    host.until(lambda: not Path(f"/proc/{texts[0]}").exists())
    ended, _, _, _ = shell(host, "j2", command=["sh", "-c", "yes & exit 0"])
    assert ended.outcome == "done", "what goes on printing holds nothing up"


def test_ten_megabytes_are_counted_and_kept_but_not_all_shown(host):
    lines = 200_000
    code = f"import sys; sys.stdout.write(''.join('%049d\\n' % n for n in range({lines})))"
    ended, measures, texts, made = shell(host, command=python(code), output="all.txt", value=r"^0*(\d+)$")
    assert ended.outcome == "done"
    assert (measures["lines"].value, measures["value"].value) == (lines, lines - 1)
    whole = "".join(f"{n:049d}\n" for n in range(lines)).encode()
    assert (made[0].size, made[0].sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert len(texts) == LOGGED + 1 + TAIL
    assert texts[LOGGED] == f"{lines - LOGGED - TAIL:,} lines are not shown here"
    assert [int(text) for text in texts[-TAIL:]] == list(range(lines - TAIL, lines))


def test_ten_megabytes_in_one_line(host):
    ended, measures, texts, _ = shell(host, command=python("print('x' * 10_000_000)"))
    assert (ended.outcome, measures["lines"].value) == ("done", 1)
    assert sum(map(len, texts)) < 10_000


@pytest.mark.parametrize("data", [b"caf\xe9\n", b"\xff\xfe\xfd", "naïve 日本\n".encode(), b"\x1b[31mred\x1b[0m\r\n"])
def test_foreign_bytes_are_kept_as_they_are_and_told_as_text(host, data):
    code = f"import sys; sys.stdout.buffer.write({data!r})"
    ended, measures, texts, made = shell(host, command=python(code), output="out")
    assert (ended.outcome, measures["lines"].value) == ("done", 1)
    assert (host.root / made[0].path).read_bytes() == data
    assert len(texts) == 1


def test_what_is_no_text_is_kept_and_not_told(host):
    ended, _, texts, made = shell(host, command=["head", "-c", "100000", "/dev/zero"], output="zero.bin")
    assert (ended.outcome, made[0].size, made[0].path) == ("done", 100_000, "jobs/j1/artefacts/zero.bin")
    assert texts == ["what it prints is no text: not shown"]


def test_an_artefact_can_be_read(host):
    *_, made = shell(host, command=["printf", "b\na\n"], output="names")
    given = {"path": made[0].path, "sha256": made[0].sha256, "size": made[0].size, "job": "j1", "name": "output"}
    _, _, texts, _ = shell(host, "j2", command=["sort"], input=given)
    assert texts == ["a", "b"]
    (host.root / made[0].path).write_text("c\n")
    ended, _, _, _ = shell(host, "j3", command=["sort"], input=given)
    assert ended.outcome == "failed"
    assert "is not what job j1 made" in ended.reason


def test_a_failed_command_leaves_no_output(host):
    ended, _, _, made = shell(host, command=["sh", "-c", "echo half; exit 3"], output="half.txt")
    assert ended.outcome == "failed"
    assert made == []
    assert list((job.directory_of(host.root, "j1") / job.ARTEFACTS).iterdir()) == []


def test_a_stop_ends_the_command(host):
    directory = host.claim("host.shell", command=["sh", "-c", "echo up; exec sleep 300"], output="out")
    process = host.start(directory)
    host.until(lambda: host.said(directory, events.Log))
    process.terminate()
    process.wait(30)
    history = host.history(directory)
    assert history[-1].outcome == "stopped"
    assert not [e for e in history if isinstance(e, events.Made)]


def test_its_declaration_imports_nothing_that_runs():
    assert registry.find("host.shell").uses is None
    assert "host.shell" in registry.names()
