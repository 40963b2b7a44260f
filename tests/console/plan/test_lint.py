"""Each thing that lint knows, in a plan where nothing else is wrong: the one fault, at its line."""

from collections.abc import Callable

import pytest

Faults = Callable[[dict[str, str]], list[str]]

PLAN = [
    # Names that lead nowhere.
    ("a.toml", 'needs = ["make"]', 'needs = ["make", "W9"]', 'needs[1]: no task "W9"'),
    ("a.toml", 'needs = ["make"]', 'needs = ["make", "draw"]', "needs[1]: a task can't need itself"),
    ("a.toml", 'during = "train"', 'during = "trian"\nneeds = ["train"]', 'task.watch.during: no other task "trian"'),
    ("a.toml", 'instead_of = "train"', 'instead_of = "nobody"', 'task.early.instead_of: no other task "nobody"'),
    ("a.toml", 'when = "G1 is no-go"', 'when = "G7 is no-go"', 'task.again.when: no gate "G7"'),
    ("plan.toml", "G1 is go or G1r", "G1 is go or G7", 'phase.B.when: no gate "G7"'),
    ("a.toml", 'day = "D1"', 'day = "D2"', 'task.make.day: no day "D2"'),
    ("a.toml", 'retests = "G1"', 'retests = "G0"', 'gate.G1r.retests: no gate "G0"'),
    ("a.toml", 'task = ["train"]', 'task = ["train", "T"]', 'contingency.C-1.task[1]: no task "T"'),
    ("a.toml", 'action = "Look"', 'action = "Look"\ngate = "G7"', 'contingency.C-1.gate: no gate "G7"'),
    ("plan.toml", 'contingency = "C-1"', 'contingency = "C-7"', 'risk.R-1.contingency: no contingency "C-7"'),
    ("plan.toml", 'phase = "A"', 'phase = "Z"', 'milestone.T-1.phase: no phase "Z"'),
    ("a.toml", "parameters.train]\nsteps", "parameters.nobody]\nsteps", 'parameters.nobody: no task "nobody"'),
    # Days.
    ("a.toml", "minutes = [1, 2]", "minutes = [3, 2]", "task.make.minutes: expected least and most, got 3 and 2"),
    ("a.toml", 'day = "D1"\ndue', "due", "task.make.due: has no day to be due on"),
    ("a.toml", "offset = 0", "offset = 7", 'task.make.day: day "D1" is not among those of phase "A"'),
    ("a.toml", "offset = 0", "offset = 14", "day.D1.offset: expected less than the plan's 14 days, got 14"),
    ("plan.toml", "offset = 7\ndays = 7", "offset = 7\ndays = 8", "phase.B.days: ends after day 15, the plan after"),
    # What waits for itself.
    ("a.toml", '[task.base]\ntitle = "Base"', '[task.base]\ntitle = "Base"\nneeds = ["train"]', "waits for itself: "),
    (
        "a.toml",
        '[task.split]\ntitle = "Split"',
        '[task.split]\ntitle = "Split"\nwhen = "G1 is go"',
        "waits for itself: ",
    ),
    # What can never start or end.
    (
        "a.toml",
        'when = "G1 is no-go"',
        'when = "G1 is no-go and G1 is go"',
        "task.again.when: can never start: what it waits for asks for different outcomes of G1",
    ),
    (
        "b.toml",
        'title = "Later"',
        'title = "Later"\nneeds = ["again"]\nwhen = "G1 is go"',
        "task.later.when: can never start: what it waits for asks for different outcomes of G1",
    ),
    ("b.toml", 'title = "Later"', 'title = "Later"\nduring = "agree"', "agree has no operation, so there is no run"),
    (
        "b.toml",
        '[task.later.deliverable]\nX-2 = "Done"',
        "",
        "task.later: has neither operation, gate, record nor deliverable: nothing can finish it",
    ),
    ("a.toml", 'title = "Agree"', 'title = "Agree"\nweekday = "sunday"', "only a task that repeats weekly falls on a"),
    (
        "a.toml",
        'title = "Agree"',
        'title = "Agree"\nrepeats = "weekly"\nweekday = "someday"',
        "expected one of 'monday'",
    ),
    # Twice.
    ("b.toml", 'X-2 = "Done"', 'X-1 = "Done"', "task.later.deliverable.X-1: deliverable X-1 is at decide already"),
    (
        "b.toml",
        "[task.later.deliverable]",
        "[task.later.step]\nS-1 = 'x'\n[task.later.deliverable]",
        "S-1 is at decide",
    ),
    # Operations.
    ("a.toml", "dataset.corpus", "dataset.corpse", 'task.make.operation: no operation "dataset.corpse"'),
    ("a.toml", "patterns = 100\n", "pattern = 100\n", "task.make.parameters.pattern: dataset.corpus has no such"),
    ("a.toml", "patterns = 100\n", "patterns = 0\n", "task.make.parameters.patterns: expected int >= 1, got 0"),
    ("a.toml", "patterns = 100\n", "patterns = 'x'\n", "task.make.parameters.patterns: expected int, got str, got 'x'"),
    (
        "a.toml",
        "dataset = {",
        'group = "tribe"\ndataset = {',
        "group: expected one of 'auto', 'template', 'id', 'content', got",
    ),
    (
        "a.toml",
        'source = { task = "make", artefact = "patterns" }',
        "source = 3",
        "source: expected { task, artefact }",
    ),
    ("a.toml", "samples = 10\n", 'samples = { task = "make", artefact = "shift" }\n', "samples: takes no artefact"),
    ("a.toml", "samples = 10\n", 'samples = { jobs_of = "make" }\n', "task.draw.parameters.samples: takes no jobs"),
    ("a.toml", '{ jobs_of = "train" }', '"train"', "task.watch.parameters.training: expected { jobs_of }"),
    ("a.toml", '{ jobs_of = "train" }', '{ jobs_of = "decide" }', "decide has no operation, so it has no jobs"),
    ("a.toml", '{ jobs_of = "train" }', '{ jobs_of = "nobody" }', 'training.jobs_of: no task "nobody"'),
    ("a.toml", '"patterns" }\nsamples', '"pattern" }\nsamples', 'makes no "pattern"; it makes patterns, shift'),
    ("a.toml", 'task = "make", artefact', 'task = "nobody", artefact', 'source.task: no task "nobody"'),
    ("a.toml", 'needs = ["make"]\n', "", "task.draw.parameters.source: draw does not wait for make; name it in needs"),
    (
        "a.toml",
        '[task.split]\ntitle = "Split"\nhost = "ALPHA"',
        '[task.split]\ntitle = "Split"\nhost = "BETA"',
        "needed on",
    ),
    ("a.toml", "dataset = {", "shift = {", "task.split.parameters: dataset.split needs dataset: "),
    ("a.toml", 'host = ["ALPHA", "BETA"]', 'host = "ALPHA"', "expected 2 hosts, in the order sink, source"),
    ("b.toml", 'title = "Later"', 'title = "Later"\nparameters = { x = 1 }', "has no operation to take them"),
    ("a.toml", "\nsteps = 500", "\nsteps = -1", "gate.G1r.option.more.parameters.train.steps: "),
    (
        "a.toml",
        'operation = "model.base"\n',
        'operation = "model.package"\nparameters = { standing = "GO" }\n',
        "task.base.parameters.standing: is what the site stands for: the console fills it in",
    ),
    (
        "a.toml",
        "[task.bring.parameters]\n",
        '[task.bring.parameters]\nrelay = "yes"\n',
        "relay: says whether the console relays: the console fills it in, by the other parameters",
    ),
    # What speaks for a deliverable.
    ("b.toml", 'X-2 = "Done"', 'X-2 = "Done"\n[task.later.shown_by]\nX-9 = ["G1"]', 'X-9: no deliverable "X-9"'),
    (
        "b.toml",
        'X-2 = "Done"',
        'X-2 = "Done"\n[task.later.shown_by]\nX-2 = ["G1", "make.pattern"]',
        'task.later.shown_by.X-2[1]: "make.pattern" is neither a gate nor a TASK.record of this plan',
    ),
    # Records.
    ("a.toml", 'measure = "patterns", ', 'measure = "patterns", written = "report", ', "only a task that has no oper"),
    ("a.toml", 'measure = "patterns"', 'measure = "pattern"', 'dataset.corpus has no measure "pattern"'),
    ("a.toml", 'measure = "loss", series = true', 'measure = "loss"', "loss is a series: say series = true"),
    ("a.toml", 'measure = "loss_falls", ', 'measure = "loss_falls", series = true, ', "loss_falls is no series"),
    ("a.toml", 'measure = "loss", ', 'measure = "loss", unit = "s", ', "loss is measured in no unit"),
    ("a.toml", 'measure = "loss", ', 'measure = "loss", role = "sink", ', "model.observe has no role sink"),
    ("a.toml", "at_most = 0.25", "at_most = 25", "majority is a proportion: expected 0 to 1, got 25"),
    ("a.toml", "equals = true", "at_least = 1", "loss_falls is a flag: it has no order"),
    (
        "b.toml",
        "[task.later.d",
        "[task.later.record]\na = {label='A', measure='x'}\n[task.later.d",
        "no operation to measure",
    ),
    (
        "b.toml",
        "[task.later.d",
        "[task.later.record]\na = {label='A', role='x'}\n[task.later.d",
        "record with a measure",
    ),
    (
        "a.toml",
        'label = "Word"',
        'label = "Word", expect = { equals = 4 }',
        "task.agree.record.word.expect: expects a number, but what is typed is read as text: give it a unit",
    ),
    # Criteria on what a person types.
    ("a.toml", 'record = "given"', 'record = "taken"', 'agree has no record "taken"; it has given, share, word'),
    (
        "a.toml",
        'record = "given"',
        'record = "given"\nmeasure = "x"',
        "given.record: expected a measure or a record, got both",
    ),
    ("a.toml", 'record = "given"\n', "", "gate.G1.criterion.given: expected a measure or a record"),
    (
        "a.toml",
        'task = "agree"\nrecord = "given"',
        'task = "train"\nrecord = "falls"',
        "falls is measured: name its measure, loss_falls",
    ),
    ("a.toml", 'record = "given"', 'record = "word"', "criterion.given.threshold: word is a text: expected text"),
    ("a.toml", 'threshold = 50\nunit = "%"', "threshold = 50", 'share is typed in "%", and so is its threshold'),
    ("a.toml", "threshold = 50", "threshold = 150", "share is typed in %: expected 0 to 100, got 150"),
    ("a.toml", "threshold = 50", "threshold = true", "criterion.share.threshold: share is a number: expected a number"),
    ("a.toml", "threshold = 50", "threshold = 50\nsmallest_sample = 9", "share is no proportion: it has no sample"),
    # What a decision is for.
    (
        "a.toml",
        'title = "One"',
        'title = "One"\nbinds = { task = "nobody", measure = "x" }',
        'binds.task: no task "no',
    ),
    ("a.toml", 'title = "One"', 'title = "One"\nbinds = { task = "make", measure = "x" }', 'make measures no "x"'),
    ("a.toml", 'title = "One"', 'title = "One"\nbinds = { task = "watch", measure = "loss" }', "loss is many values"),
    # Gates.
    ("a.toml", 'gate = "G1r"', 'gate = "G7"', 'task.again.gate: no gate "G7"'),
    ("b.toml", 'title = "Later"', 'title = "Later"\ngate = "G1"', "task.later.gate: G1 is decided at decide already"),
    ("a.toml", 'title = "One"', 'title = "One"\nprovisional = true', "G1 is provisional: it unlocks nothing"),
    ("a.toml", 'retests = "G1"\n', "", "gate.G1r.option: only a gate that retests another may offer options"),
    ("a.toml", 'task = "train"\nmeasure = "val', 'task = "nobody"\nmeasure = "val', 'accuracy.task: no task "nobody"'),
    ("a.toml", 'task = "train"\nmeasure = "val', 'task = "watch"\nmeasure = "val', "does not wait for watch"),
    ("a.toml", 'measure = "val_accuracy"', 'measure = "accuracy"', 'model.finetune has no measure "accuracy"'),
    ("a.toml", "threshold = 0.9", "threshold = 90", "val_accuracy is a proportion: expected 0 to 1, got 90"),
    ("a.toml", "threshold = 0.9", "threshold = true", "val_accuracy is a proportion: expected a number"),
    ("a.toml", '"=="\nthreshold = true', '"=="\nthreshold = 1', "loss_falls is a flag: expected true or false"),
    ("a.toml", '"=="\nthreshold = true', '">="\nthreshold = true', "loss_falls is a flag: only == can compare it"),
    ("a.toml", 'measure = "val_accuracy"', 'measure = "val_loss"', "val_loss is no proportion: it has no sample"),
]
SITE = [
    ("rehearsal = true", "rehearsal = false", "not_here: only a site with rehearsal = true may set criteria aside"),
    ('"G1.accuracy"', '"G1.falls"', 'not_here."G1.falls": is a software criterion: it gates everywhere'),
    ('"G1.accuracy"', '"G1.speed"', 'not_here."G1.speed": no such criterion; expected GATE.criterion'),
    ("patterns = 50", "seed = 2", "parameters.make.seed: is no amount, so a site can't set it; of make it can set"),
    ("patterns = 50", "patterns = 0", "parameters.make.patterns: expected int >= 1, got 0"),
    ("patterns = 50", "size = 1", "parameters.make.size: dataset.corpus has no such parameter"),
    ("parameters.make", "parameters.nobody", 'parameters.nobody: no task "nobody"'),
    ("parameters.make", "parameters.later", "parameters.later: later has no operation to take parameters"),
    ("host.BETA", "host.GAMMA", 'host: no host "BETA", which task make runs on'),
    ('"hosts/BETA"', '"hosts/ALPHA"', "host.BETA.root: is the root of ALPHA already; each host needs its own"),
    ('"hosts/BETA"', '"../BETA"', 'host.BETA.root: expected a path without "..", got "../BETA"'),
    ('"hosts/BETA"', '"/x"\nlink = "ssh"\naddress = "b"', "host.BETA.known_hosts: missing; a host over SSH needs it"),
    ('"hosts/BETA"', '"/x"\nlink = "ssh"\nknown_hosts = "k"', "host.BETA.address: missing; a host over SSH needs it"),
    ('"hosts/BETA"', '"x"\nlink = "ssh"\nknown_hosts = "k"\naddress = "b"', 'root: expected an absolute path, got "x"'),
    ('"hosts/BETA"', '"b"\ncontainer = "-c"', "host.BETA.container: expected a container's name or id, got"),
    ('"hosts/BETA"', '"b"\ncontainer = "c"\ndocker = ""', "host.BETA.docker: empty; a host with a container needs it"),
    ('"hosts/BETA"', '"b"\ncontainer = "c"', "host.BETA.container_root: expected the root's absolute path inside"),
    (
        '"hosts/BETA"',
        '"b"\ncontained = ["dataset.*"]',
        "host.BETA.contained: names operations but there is no container",
    ),
    (
        '"hosts/BETA"',
        '"b"\ncontainer = "c"\ncontainer_root = "/b"\ncontained = ["mdl.*"]',
        'host.BETA.contained[0]: no operation "mdl.*"',
    ),
    ("[host.ALPHA]", 'zone = "Mars/Olympus"\n[host.ALPHA]', 'zone: no time zone "Mars/Olympus" on this machine'),
    ("[host.ALPHA]", 'zone = "../zone"\n[host.ALPHA]', 'zone: no time zone "../zone" on this machine'),
]


def test_the_small_plan_is_sound(faults_of: Faults, files: dict[str, str]) -> None:
    assert faults_of(files) == []


@pytest.mark.parametrize(("file", "old", "new", "said"), PLAN)
def test_plan(faults_of: Faults, files: dict[str, str], file: str, old: str, new: str, said: str) -> None:
    assert old in files[file], "the small plan has changed"
    files[file] = files[file].replace(old, new, 1)
    found = faults_of(files)
    assert any(said in line and line.startswith(f"{file}:") for line in found), found


@pytest.mark.parametrize(("old", "new", "said"), SITE)
def test_site(faults_of: Faults, files: dict[str, str], old: str, new: str, said: str) -> None:
    assert old in files["site.toml"], "the small site has changed"
    files["site.toml"] = files["site.toml"].replace(old, new, 1)
    found = faults_of(files)
    assert any(said in line and line.startswith("site.toml:") for line in found), found


def test_what_is_relayed_needs_no_wired_address(faults_of: Faults, files: dict[str, str]) -> None:
    files["site.toml"] = files["site.toml"].replace("[host.ALPHA]\n", '[host.ALPHA]\nlink = "ssh"\n', 1)
    missing = [line for line in faults_of(files) if "host.ALPHA.wired: missing; bring listens there" in line]
    assert len(missing) == 1
    files["site.toml"] += '[parameters.bring]\nvia = "rsync"\n'
    assert not [line for line in faults_of(files) if "wired" in line]


def test_a_gate_without_criteria_or_task(faults_of: Faults, files: dict[str, str]) -> None:
    files["a.toml"] += '[gate.G9]\ntitle = "Nine"\n'
    line = files["a.toml"].splitlines().index("[gate.G9]") + 1
    assert faults_of(files) == [
        f"a.toml:{line}: gate.G9: has no criterion, so nothing can show that it may be opened",
        f'a.toml:{line}: gate.G9: no task has gate = "G9", so it can never be decided',
    ]


def test_an_optional_task_is_no_source(faults_of: Faults, files: dict[str, str]) -> None:
    old = '[task.draw]\ntitle = "Draw"'
    files["a.toml"] = files["a.toml"].replace(old, f"{old}\noptional = true")
    assert any("draw is optional: what it makes may never be there" in line for line in faults_of(files))


def test_a_branch_after_either_outcome_can_start(faults_of: Faults, files: dict[str, str]) -> None:
    files["b.toml"] = """\
[task.later]
title = "Later"
when = "G1 is go or G1r is go"

[task.later.deliverable]
X-2 = "Done"
"""
    files["plan.toml"] = files["plan.toml"].replace('when = "G1 is go or G1r is go"\n', "")
    assert faults_of(files) == []


def test_the_first_task_that_can_not_start_is_named_not_all_behind_it(faults_of: Faults, files: dict[str, str]) -> None:
    """The second phase opens with G1's GO; its first task waits for what a NO-GO opens, the next for that one."""
    files["plan.toml"] = files["plan.toml"].replace("G1 is go or G1r is go", "G1 is go")
    files["b.toml"] = files["b.toml"].replace('title = "Later"', 'title = "Later"\nneeds = ["again"]')
    files["b.toml"] += '[task.last]\ntitle = "Last"\nneeds = ["later"]\n[task.last.deliverable]\nX-3 = "Done"\n'
    found = faults_of(files)
    assert found == [
        "b.toml:3: task.later.needs: can never start: what it waits for asks for different outcomes of G1",
    ]


def test_an_optional_task_of_the_other_branch_holds_nothing(faults_of: Faults, files: dict[str, str]) -> None:
    files["plan.toml"] = files["plan.toml"].replace("G1 is go or G1r is go", "G1 is go")
    files["b.toml"] = files["b.toml"].replace('title = "Later"', 'title = "Later"\nneeds = ["again"]')
    files["a.toml"] = files["a.toml"].replace('title = "Decide again"', 'title = "Decide again"\noptional = true')
    assert faults_of(files) == []


def test_days_within_days_to_any_depth_but_not_in_a_circle(faults_of: Faults, files: dict[str, str]) -> None:
    nested = '[day.D0]\ntitle = "Outer"\noffset = 0\n'
    for depth in range(1, 10):
        nested += f'[day.D{depth}{depth}]\ntitle = "Day"\noffset = 0\nwithin = "D{(depth - 1) * 11 or 0}"\n'
    files["a.toml"] = files["a.toml"].replace(
        '[day.D1]\ntitle = "Day 1"\n', '[day.D1]\ntitle = "Day 1"\nwithin = "D99"\n'
    )
    files["a.toml"] = nested + files["a.toml"]
    assert faults_of(files) == []
    files["a.toml"] = files["a.toml"].replace(
        '[day.D0]\ntitle = "Outer"\n', '[day.D0]\ntitle = "Outer"\nwithin = "D1"\n'
    )
    assert any("day.D0.within: is a part of itself" in fault for fault in faults_of(files))
    files["a.toml"] = files["a.toml"].replace('within = "D99"', 'within = "D98"')
    assert any('day.D1.within: no day "D98"' in fault for fault in faults_of(files))
