"""A small sound plan and site, to be broken one line at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from console.plan.loading import Faults, load

FILES = {
    "plan.toml": """\
schema = 1
id = "small"
title = "Small"
version = "1"
start = 2025-10-16
days = 14

[phase.A]
title = "First"
file = "a.toml"
days = 7

[phase.B]
title = "Second"
file = "b.toml"
when = "G1 is go or G1r is go"
offset = 7
days = 7

[risk.R-1]
title = "It stalls"
contingency = "C-1"

[milestone.T-1]
title = "First"
phase = "A"
offset = 6
""",
    "a.toml": """\
[day.D1]
title = "Day 1"
offset = 0

[task.make]
title = "Make"
day = "D1"
due = "11:00"
host = "BETA"
minutes = [1, 2]
operation = "dataset.corpus"

[task.make.parameters]
patterns = 100

[task.make.record]
patterns = { label = "Patterns", measure = "patterns", expect = { equals = 100 } }
majority = { label = "Majority", measure = "majority", expect = { at_most = 0.25 } }

[task.draw]
title = "Draw"
host = "BETA"
needs = ["make"]
operation = "dataset.sample"

[task.draw.parameters]
source = { task = "make", artefact = "patterns" }
samples = 10

[task.bring]
title = "Bring"
host = ["ALPHA", "BETA"]
needs = ["draw"]
operation = "network.transfer"

[task.bring.parameters]
artefact = { task = "draw", artefact = "dataset" }

[task.split]
title = "Split"
host = "ALPHA"
needs = ["bring"]
operation = "dataset.split"

[task.split.parameters]
dataset = { task = "bring", artefact = "copy" }

[task.base]
title = "Base"
host = "ALPHA"
operation = "model.base"

[task.early]
title = "Train early"
host = "ALPHA"
needs = ["split", "base"]
instead_of = "train"
optional = true
operation = "model.finetune"

[task.early.parameters]
model = { task = "base", artefact = "model" }
train = { task = "split", artefact = "train" }

[task.train]
title = "Train"
host = "ALPHA"
needs = ["split", "base"]
operation = "model.finetune"

[task.train.parameters]
model = { task = "base", artefact = "model" }
train = { task = "split", artefact = "train" }

[task.train.record]
falls = { label = "Loss falls", measure = "loss_falls", expect = { equals = true } }

[task.watch]
title = "Watch"
host = "ALPHA"
during = "train"
operation = "model.observe"

[task.watch.parameters]
training = { jobs_of = "train" }

[task.watch.record]
loss = { label = "Loss", measure = "loss", series = true }

[task.agree]
title = "Agree"

[task.agree.record]
given = { label = "Agreed", expect = { equals = true } }
share = { label = "Share", unit = "%" }
word = { label = "Word" }

[task.decide]
title = "Decide"
needs = ["train", "agree"]
gate = "G1"

[task.decide.step]
S-1 = "Decide"

[task.decide.deliverable]
X-1 = "Decided"

[task.again]
title = "Decide again"
needs = ["decide"]
when = "G1 is no-go"
gate = "G1r"

[gate.G1]
title = "One"

[gate.G1.criterion.falls]
label = "loss falls"
task = "train"
measure = "loss_falls"
compare = "=="
threshold = true
kind = "software"

[gate.G1.criterion.accuracy]
label = "accuracy"
task = "train"
measure = "val_accuracy"
compare = ">="
threshold = 0.9
kind = "facility"
smallest_sample = 100

[gate.G1.criterion.given]
label = "agreed"
task = "agree"
record = "given"
compare = "=="
threshold = true
kind = "software"

[gate.G1.criterion.share]
label = "share"
task = "agree"
record = "share"
compare = ">"
threshold = 50
unit = "%"
kind = "software"

[gate.G1r]
title = "One again"
retests = "G1"

[gate.G1r.option.more]
title = "More steps"

[gate.G1r.option.more.parameters.train]
steps = 500

[gate.G1r.criterion.falls]
label = "loss falls"
task = "train"
measure = "loss_falls"
compare = "=="
threshold = true
kind = "software"

[contingency.C-1]
cause = "stalled"
condition = "It stalls"
action = "Look"
task = ["train"]
""",
    "b.toml": """\
[task.later]
title = "Later"

[task.later.deliverable]
X-2 = "Done"
""",
}

SITE = """\
schema = 1
id = "here"
title = "Here"
rehearsal = true

[host.ALPHA]
root = "hosts/ALPHA"

[host.BETA]
root = "hosts/BETA"

[not_here]
"G1.accuracy" = "no such data here"

[parameters.make]
patterns = 50
"""


@pytest.fixture
def files() -> dict[str, str]:
    """The small plan's files and ``site.toml``, as texts by name."""
    return {**FILES, "site.toml": SITE}


@pytest.fixture
def faults_of(tmp_path: Path) -> Callable[[dict[str, str | bytes | None]], list[str]]:
    """What is wrong with plan and site made of these files, a line each, notes left out; None leaves a file out."""

    def find(texts: dict[str, str | bytes | None]) -> list[str]:
        for name, text in texts.items():
            if text is not None:
                (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        try:
            load(tmp_path, tmp_path / "site.toml")
        except Faults as faults:
            return [str(fault) for fault in faults.faults]
        return []

    return find
