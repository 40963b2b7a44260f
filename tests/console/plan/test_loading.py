"""Loading: every fault of the form at once, at its line; whatever the bytes are, nothing but faults comes out."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.plan.faults import Finding, dotted
from console.plan.lines import lines_of, locate
from console.plan.loading import Faults, examine, load, load_plan, load_site, shipped
from console.plan.tables import table
from console.plan.types import PhaseFile
from console.text import clean

Find = Callable[[dict[str, Any]], list[str]]
SHIPPED = sorted(shipped("gladiator").glob("*.toml"))


def number(text: str, line: str) -> int:
    return text.splitlines().index(line) + 1


def test_a_fault_names_file_line_key_and_what_was_expected(faults_of: Find, files: dict[str, str]) -> None:
    files["a.toml"] = files["a.toml"].replace('needs = ["bring"]', 'needs = ["brought"]')
    line = number(files["a.toml"], 'needs = ["brought"]')
    assert f'a.toml:{line}: task.split.needs[0]: no task "brought"' in faults_of(files)


BROKEN = [
    # file, sound line, broken line, key and what was expected
    ("a.toml", "offset = 0", "ofset = 0", 'day.D1.ofset: unknown key; did you mean "offset"?'),
    ("a.toml", 'due = "11:00"', 'due = "25:00"', 'task.make.due: expected a time of day, HH:MM, got "25:00"'),
    ("a.toml", "minutes = [1, 2]", "minutes = [1]", "task.make.minutes: expected array of length >= 2, got a list"),
    (
        "a.toml",
        'compare = ">="',
        'compare = "="',
        "gate.G1.criterion.accuracy.compare: expected one of '>=', '>', '<=', '<', '==', got \"=\"",
    ),
    (
        "a.toml",
        'task = ["train"]',
        'task = ["train", true]',
        "contingency.C-1.task[1]: expected an id of letters, digits, '.', '_' and '-', got true",
    ),
    ("b.toml", 'X-2 = "Done"', "X-2 = 3", "task.later.deliverable.X-2: expected text, got 3"),
    ("plan.toml", "days = 14", 'days = "14"', 'days: expected a whole number, got "14"'),
    ("plan.toml", "start = 2025-10-16", 'start = "soon"', 'start: expected a date, YYYY-MM-DD, got "soon"'),
    ("site.toml", 'title = "Here"', "title = true", "title: expected text, got true"),
]


def test_all_faults_at_once_over_all_files_sorted(faults_of: Find, files: dict[str, str]) -> None:
    for file, sound, broken, _ in BROKEN:
        files[file] = files[file].replace(sound, broken, 1)
    expected = {(file, number(files[file], broken), what) for file, _, broken, what in BROKEN}
    expected.add(("a.toml", 1, "day.D1.offset: missing; expected a whole number"))
    assert faults_of(files) == [f"{file}:{line}: {what}" for file, line, what in sorted(expected)]


def test_a_table_twice_is_an_error_with_its_line(faults_of: Find, files: dict[str, str]) -> None:
    files["a.toml"] += '\n[task.train]\ntitle = "Twice"\n'
    line = len(files["a.toml"].splitlines()) - 1
    found = faults_of(files)
    assert found == [f"a.toml:{line}: Cannot declare ('task', 'train') twice"]


def test_a_task_in_two_files(faults_of: Find, files: dict[str, str]) -> None:
    files["b.toml"] += '\n[task.train]\ntitle = "Twice"\n'
    assert "b.toml:7: task.train: is in a.toml already" in faults_of(files)


@pytest.mark.parametrize(
    ("text", "said"),
    ids=lambda value: value[:40] if isinstance(value, str) else "",
    argvalues=[
        (None, "b.toml: no such file"),
        (b"", "b.toml:1: is empty"),
        (b" \n\t\n", "b.toml:1: is empty"),
        (b"[task.x]\ntitle = '\xff'\n", "b.toml:2: is not UTF-8: byte 0xff"),
        (b"[task.x]\ntitle = \n", "b.toml:2: Invalid value"),
        (b"[task.x\n", "b.toml:1: Expected ']' at the end of a table declaration"),
        (b"a = " + b"[" * 5_000, "b.toml:1: nested too deeply"),
        (b"a = " + b"9" * 5_000, "b.toml:1: Exceeds the limit"),
        (b"# " + b"x" * (1 << 20), "b.toml: has more than 1,048,576 bytes"),
        (b"task = 3\n", "b.toml:1: task: expected a table, got 3"),
        (b"[[task]]\ntitle = 'x'\n", "b.toml:1: task: expected a table, got a list"),
        (b"[task]\nx = 'y'\n", 'b.toml:2: task.x: expected a table, got "y"'),
        (
            b"[task.x]\ntitle = '" + b"x" * 5_000 + b"'\n",
            "b.toml:2: task.x.title: has a line of more than 4,096 characters",
        ),
        (b"[task.x]\ntitle = nan\n", "b.toml:2: task.x.title: expected a finite number, got nan"),
        (b"[task.x]\ntitle = 99999999999999999999\n", "b.toml:2: task.x.title: expected a whole number of at most 63"),
        (b"[task.x]\ntitle = 10:00:00\n", "b.toml:2: task.x.title: expected no time here; write it as text"),
        (b'[task."\\u001b[2J"]\ntitle = "x"\n', 'b.toml:1: task."": a key holds control characters'),
        (b"[task.'a b']\ntitle = 'x'\n", 'b.toml:1: task."a b": expected an id of letters'),
        (
            b"[task.x]\ntitle = 'x'\nparameters = { a = { b = 1 } }\n",
            "task.x.parameters.a.task: missing; expected an id",
        ),
        (b"[task.x]\ntitle = 'x'\nparameters = { a = 2025-01-01 }\n", "task.x.parameters.a: expected a value, a list"),
        (b"digest = 'x'\n", "b.toml:1: digest: unknown key"),
    ],
)
def test_bad_files(faults_of: Find, files: dict[str, Any], text: bytes | None, said: str) -> None:
    files["b.toml"] = text
    found = faults_of(files)
    assert any(said in line for line in found), found


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Faults, match=r"^plan\.toml: no such file$"):
        load_plan(tmp_path / "nowhere")
    with pytest.raises(Faults, match=r"^site\.toml: no such file$"):
        load_site(tmp_path / "site.toml")


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plan.toml")
    with pytest.raises(Faults, match="is no file"):
        load_plan(tmp_path)
    with pytest.raises(Faults, match="is no file"):
        load_site(tmp_path)


@pytest.mark.parametrize("name", ["../a.toml", "/etc/passwd", "a.txt", "sub/a.toml", ".toml"])
def test_a_phases_file_is_beside_the_plan(faults_of: Find, files: dict[str, str], name: str) -> None:
    files["plan.toml"] = files["plan.toml"].replace("b.toml", name)
    assert f'plan.toml:15: phase.B.file: expected a file beside plan.toml, NAME.toml, got "{name}"' in faults_of(files)


@pytest.mark.parametrize(("name", "said"), [("a.toml", 'the file of phase "A"'), ("plan.toml", "the plan itself")])
def test_phases_do_not_share_a_file(faults_of: Find, files: dict[str, str], name: str, said: str) -> None:
    files["plan.toml"] = files["plan.toml"].replace("b.toml", name)
    assert f"plan.toml:15: phase.B.file: {name} is {said}" in faults_of(files)


def test_text_is_cleaned_and_only_blocks_keep_their_lines(tmp_path: Path, files: dict[str, str]) -> None:
    files["b.toml"] = files["b.toml"].replace(
        'title = "Later"', 'title = "La\\u001b[2Jter\\nnow"\nabout = """\none\\u001b]0;x\\u0007\n\u202etwo\n"""'
    )
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    task = load_plan(tmp_path).task["later"]
    assert task.title == "Later\N{REPLACEMENT CHARACTER}now"
    assert task.about == "one\n\N{REPLACEMENT CHARACTER}two"


def test_windows_line_ends_change_nothing_but_the_digest(tmp_path: Path, files: dict[str, str]) -> None:
    plans = []
    for name, end in (("unix", "\n"), ("windows", "\r\n")):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_bytes(text.replace("\n", end).encode())
        plans.append(load_plan(tmp_path / name))
    assert plans[0].task == plans[1].task
    assert plans[0].digest != plans[1].digest


def test_any_change_of_a_file_changes_the_digest(tmp_path: Path, files: dict[str, str]) -> None:
    digests = []
    for changed in ("", "plan.toml", "a.toml", "b.toml", "site.toml"):
        for name, text in files.items():
            (tmp_path / name).write_text(text + "# more\n" if name == changed else text)
        digests.append(load_plan(tmp_path).digest)
    assert digests[0] == digests[4], "the site is no part of the plan"
    assert len(set(digests)) == 4


# Whatever comes


@st.composite
def damaged(draw: st.DrawFn) -> tuple[int, bytes]:
    """One of the plan's files with some bytes cut, put in, doubled or swapped."""
    which = draw(st.integers(0, len(SHIPPED) - 1))
    data = SHIPPED[which].read_bytes()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        span = draw(st.integers(0, 40))
        piece = draw(
            st.one_of(
                st.binary(max_size=6),
                st.sampled_from(
                    [
                        b"",
                        b'"',
                        b"'''",
                        b"[",
                        b"]",
                        b"}",
                        b"=",
                        b"\n",
                        b"{",
                        b"true",
                        b"-1",
                        b"nan",
                        b"[task.x]\n",
                        b"\x1b",
                    ]
                ),
            )
        )
        data = data[:at] + piece + data[at + span :]
    return which, data


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damage=damaged())
def test_damaged_files_give_faults_and_nothing_else(tmp_path: Path, damage: tuple[int, bytes]) -> None:
    which, data = damage
    for at, file in enumerate(SHIPPED):
        (tmp_path / file.name).write_bytes(data if at == which else file.read_bytes())
    _, faults = examine(tmp_path)
    for fault in faults:
        shown = str(fault)
        assert clean(shown) == shown
        assert fault.line <= data.count(b"\n") + 1 or fault.file != SHIPPED[which].name
        assert fault.what


NAMES = st.sampled_from(
    """
    A B x G1 title host needs during when instead_of gate operation parameters record deliverable step task day label
    measure compare threshold kind criterion option model train jobs_of artefact minutes expect contingency phase schema
    id version start days owner about rehearsal not_here sign_key zone
    """.split()  # noqa: SIM905 - a list of forty is no easier to read
)
VALUES = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-3, 2**65),
        st.floats(),
        st.dates(),
        st.datetimes(),
        st.sampled_from(["", "A", "B", "x", "G1 is go", "model.finetune", "dataset.split", "11:00", "==", "software"]),
        st.text(max_size=5),
    ),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(NAMES, below, max_size=5)),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plan=st.dictionaries(NAMES, VALUES, max_size=6),
    tasks=st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=6), max_size=4),
    gates=st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=6), max_size=3),
    site=st.dictionaries(NAMES, VALUES, max_size=6),
)
def test_any_data_gives_faults_and_nothing_else(
    tmp_path: Path, plan: dict[str, Any], tasks: dict[str, Any], gates: dict[str, Any], site: dict[str, Any]
) -> None:
    head = {"schema": 1, "id": "x", "title": "x", "version": "1", "days": 7, **plan}
    head["phase"] = {"A": {"title": "A", "file": "a.toml"}}
    for name, data in (("plan.toml", head), ("a.toml", {"task": tasks, "gate": gates}), ("site.toml", site)):
        (tmp_path / name).write_text(tomli_w.dumps(data))
    try:
        load(tmp_path, tmp_path / "site.toml")
    except Faults as found:
        shown = [str(fault) for fault in found.faults]
    else:
        shown = [plan["title"]]
    assert shown
    assert all(clean(line) == line for line in shown)


@settings(max_examples=100, deadline=None)
@given(data=st.dictionaries(NAMES, VALUES, min_size=1, max_size=6))
def test_lines_are_where_the_keys_stand(data: dict[str, Any]) -> None:
    text = tomli_w.dumps(data)
    rows = text.split("\n")
    found = lines_of(text)
    for path, line in found.items():
        assert str(path[-1]) in rows[line - 1]
    for path in _tables(data, ()):
        assert path in found, (path, text)


def _tables(data: dict[str, Any], path: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Every key, short of what an array holds."""
    found = []
    for key, value in data.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += _tables(value, (*path, key))
    return found


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ('# [a]\n[a]\nb = """\nc = 1\n[d]\n"""\ne = 2\n', ("a", "e"), 7),
        ("a = [\n  1, # x = [\n  'b = 2',\n]\nc = 3\n", ("c",), 5),
        ("[a.b.c]\nx = 1\n[a]\ny = 2\n", ("a", "y"), 4),
        ("[a.b.c]\nx = 1\n", ("a", "b"), 1),
        ('["a.b"."c\\u0041"]\nx.y = 1\n', ("a.b", "cA", "x", "y"), 2),
        ("a = 1\n\n\n[b]\n", ("b", "nothing", 3), 4),
        ("a = '''x'''''\nb = 1\n", ("b",), 2),
        ("", ("a",), 1),
    ],
)
def test_lines(text: str, path: tuple[str, ...], line: int) -> None:
    assert locate(lines_of(text), path) == line


def test_dotted() -> None:
    assert dotted(("task", "W0.1.1", "needs", 0)) == 'task."W0.1.1".needs[0]'


def test_a_table_with_faults_still_stands_as_its_type() -> None:
    found: list[Finding] = []
    phase = table(PhaseFile, {"gate": {"G": {"criterion": {"c": {"label": 3}}}}}, (), found.append)
    assert phase.gate["G"].criterion["c"].compare == ">="
    assert {f.path[-1] for f in found} == {"title", "label", "task", "compare", "threshold", "kind"}
