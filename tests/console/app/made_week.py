"""A week as a view made by hand, with a training's events and a host's reading: what the screens are shown of."""

import datetime
import json
import random
from types import SimpleNamespace

from msgspec.structs import replace

from console.conductor.view import (
    CriterionView,
    DecisionView,
    DeliverableView,
    GateView,
    JobView,
    ParameterView,
    RecordView,
    Row,
    TaskView,
    View,
)
from console.plan import sites, types

NOW = datetime.datetime(2025, 10, 17, 14, 2, 31, tzinfo=datetime.UTC)
STARTED = "2025-10-17T13:21:00.000Z"
PHASES = {
    "week-0": ("Week 0  Reality check", ""),
    "week-1": ("Week 1  Data and network", "G1 is go"),
    "weeks-2-3": ("Weeks 2-3  Blue team", "G1 is go"),
    "weeks-4-6": ("Weeks 4-6  Distillation", "G2 is go"),
    "week-7": ("Week 7  Production", "G3 is go"),
}
TASKS = [
    ("W0.1.1", "Make the data set", "D1", "done", "dataset.sample"),
    ("W0.1.2", "Bring it to ALPHA", "D1", "done", "network.transfer"),
    ("W0.1.3", "Split 900 / 100", "D1", "done", "dataset.split"),
    ("W0.1.4", "Baseline", "D1", "done", "model.baseline"),
    ("W0.1.5", "Configuration", "D1", "done", "model.configure"),
    ("W0.1.6", "Launch fine-tuning early", "D1", "skipped", "model.finetune"),
    ("W0.2.1", "Fine-tune", "D2", "running", "model.finetune"),
    ("W0.2.2", "Watch the training", "D2", "ready", ""),
    ("W0.2.4", "Validation dry run on the baseline model", "D2", "ready", "model.evaluate"),
    ("W0.2.5", "Evening check", "D2", "locked", ""),
    ("W0.3.3", "Run validation", "D3", "locked", "model.evaluate"),
    ("W0.4.2", "GO or NO-GO", "D4", "locked", ""),
    ("W0.4.3a", "Week 1 preparation", "D4", "locked", ""),
    ("W0.4.3b", "Root cause analysis", "D4", "locked", ""),
    ("W0.5.2", "Retest", "D4", "locked", "model.finetune"),
]
LATER = [("W1.1", "Network equipment", "week-1"), ("W2.1", "Launch the training", "weeks-2-3"),
         ("W4.1", "Soft labels", "weeks-4-6"), ("W7.6", "Final decision", "week-7")]  # fmt: skip


def plan() -> types.Plan:
    tasks = {id: types.Task(title=title, day=day, operation=operation) for id, title, day, _, operation in TASKS}
    tasks |= {id: types.Task(title=title) for id, title, _ in LATER}
    tasks["W0.2.1"] = types.Task(
        title="Fine-tune", day="D2", operation="model.finetune", host="ALPHA", needs=["W0.1.5"], due="16:00",
        minutes=[720, 1440], about="Adapts the base model to the 900 training rows.",
        step={"launch": "Launch the fine-tuning", "watch": "Watch the first ten steps: the loss is finite"},
    )  # fmt: skip
    tasks["W0.2.2"] = types.Task(
        title="Watch the training", day="D2", host="ALPHA", repeats="2 h", during="W0.2.1", due="18:00",
        deliverable={"runs": "training runs"},
    )  # fmt: skip
    return types.Plan(
        schema=1, id="gladiator", title="GLADIATOR", version="2.3", start=datetime.date(2025, 10, 16), days=56,
        phase={id: types.Phase(title=title, when=when, file=f"{id}.toml") for id, (title, when) in PHASES.items()},
        day={f"D{n}": types.Day(title=f"Day {n}", offset=n - 1) for n in (1, 2, 3, 4)},
        task=tasks,
        gate={"G1": types.Gate(title="Reality check", about="Mandatory: nothing behind it starts without it.")},
    )  # fmt: skip


def site() -> sites.Site:
    hosts = {
        name: sites.Host(root=f"hosts/{name.lower()}", machine="here", about=about)
        for name, about in (("ALPHA", "trains and serves"), ("BETA", "makes the patterns"), ("AIR", ""))
    }
    return sites.Site(schema=1, id="rehearsal", title="Rehearsal", rehearsal=True, host=hosts)


def job(state: str = "running", id: str = "a3f19c02", attempt: int = 1, task: str = "W0.2.1") -> JobView:
    return JobView(
        id=id, task=task, round=1, occurrence="", role="", host="ALPHA", attempt=attempt, operation="model.finetune",
        state=state, started=STARTED, finished="" if state == "running" else "2025-10-17T13:50:00.000Z",
    )  # fmt: skip


def task(id: str, title: str, phase: str, day: str, state: str, operation: str) -> TaskView:
    return TaskView(
        id=id, title=title, phase=phase, day=day, state=state, why=("G1 is not decided",) if state == "locked" else (),
        stale=(), hosts=("ALPHA",) if operation else (), operation=operation, gate="G1" if id == "W0.4.2" else "",
        optional=id in ("W0.1.6", "W0.2.4"), round=1, jobs=(), records=(), deliverables=(), parameters=(),
        contingencies=(),
    )  # fmt: skip


def criterion(name: str, label: str, **given: object) -> CriterionView:
    held = {
        "value": None, "shown": "n/a", "threshold": 0.9, "compare": ">=", "asks": "≥ 90 %", "unit": "",
        "kind": "software", "gates": True, "met": None, "reason": "W0.3.3 has not run", "stale": False,
        "waivable": False, "waived": "", "task": "W0.3.3",
    }  # fmt: skip
    return CriterionView(name=name, label=label, **(held | given))


def met(**given: object) -> dict[str, object]:
    evidence = {"job": "b7c0ffee", "host": "ALPHA", "measured_at": "2025-10-17T13:50:10.000Z", "measure": "accuracy"}
    return {"met": True, "reason": "", **evidence, **given}


def gate(*, measured: bool = False, accuracy: float = 0.93, state: str = "closed") -> GateView:
    ok = accuracy >= 0.9
    rows = (
        criterion("accuracy", "accuracy"),
        criterion("loss_falls", "loss falls", asks="= yes", threshold=True, compare="==", waivable=True),
        criterion("coherent", "answers coherent", asks="≥ 99 %", threshold=0.99),
        criterion("gpu", "GPU in use", asks="> 80 %", threshold=80.0, kind="facility", gates=False,
                  reason="this rehearsal has no GPU"),
    )  # fmt: skip
    if measured:
        count = round(accuracy * 100)
        rows = (
            replace(rows[0], value=accuracy, shown=f"{count} of 100 = {accuracy * 100:.1f} %", n=100, count=count,
                    interval=(0.863, 0.966) if ok else (0.780, 0.914), enough=96,
                    **(met() if ok else met(met=False, reason="85.0 % is below 90 %"))),
            replace(rows[1], value=True, shown="yes", **met()),
            replace(rows[2], value=1.0, shown="100 of 100 = 100.0 %", n=100, count=100, interval=(0.963, 1.0),
                    **met()),
            rows[3],
        )  # fmt: skip
    why = () if measured and ok else (("accuracy is not met: 85.0 % is below 90 %",) if measured else
                                      ("accuracy is not measured: W0.3.3 has not run",))  # fmt: skip
    return GateView(
        id="G1", title="Reality check", task="W0.4.2", state=state, provisional=False, criteria=rows,
        may_go=measured and ok, why_not=why, decision=None, also_ran=("arthur",) if measured else (),
        not_proven=("gpu",), opens=("W0.4.3a", "W0.4.3b", "W0.5.2"),
    )  # fmt: skip


def detailed(held: TaskView) -> TaskView:
    """The running task as the screens show it best: everything a task can have."""
    return replace(
        held,
        jobs=(
            replace(job("stopped", "91d07e55"), reason="asked to end at step 20"),
            replace(job(attempt=2), continues="91d07e55"),
        ),

        records=(
            RecordView("loss", "final loss", "M-015", False, expected="< initial loss"),
            RecordView("accuracy", "training accuracy", "M-014", False, value=0.93, n=100, count=93,
                       interval=(0.863, 0.966), met=True, expected="≥ 90 %", source="a3f19c02"),
            RecordView("gpu", "GPU", "M-012", False, unit="%", source="a3f19c02", reason="no GPU is read on this host"),
            RecordView("series", "loss per 10 steps", "M-011", False, value=0.412, source="a3f19c02",
                       rows=tuple(Row(step, 2 - step * 0.02) for step in range(0, 60, 10))),
            RecordView("duration", "duration", "M-017", True, unit="h"),
            RecordView("note", "remark", "", True, value="fan is loud", source="arthur"),
        ),
        deliverables=(
            DeliverableView("runs", "training runs", "arthur", "2025-10-17T13:30:00.000Z", True),
            DeliverableView("errors", "no errors seen in the first ten steps", may_tick=True),
            DeliverableView("documented", "progress documented", why_not="the job has not ended"),
        ),
        parameters=(
            ParameterView("steps", 100, 100, "plan", True, "optimiser steps", True, "value"),
            ParameterView("batch", 8, 32, "site", True, "rows a step", False, "value"),
            ParameterView("rate", 0.0001, 0.0001, "plan", True, "learning rate", False, "value"),
            ParameterView("train", "train of W0.1.3", None, "plan", False, "rows to train on", True, "artefact"),
        ),
        contingencies=("the loss does not fall in 20 steps: halve the learning rate", "NaN: stop, look at the data"),
    )  # fmt: skip


def week(state: str = "running") -> View:
    """``running``: W0.2.1 trains; ``gate``: all measured, G1 is open; ``no-go``: decided against."""
    tasks = {id: task(id, title, "week-0", day, s, operation) for id, title, day, s, operation in TASKS}
    tasks |= {id: task(id, title, phase, "", "locked", "") for id, title, phase in LATER}
    tasks["W0.2.1"] = detailed(tasks["W0.2.1"])
    tasks["W0.2.4"] = replace(tasks["W0.2.4"], parameters=tasks["W0.2.1"].parameters)
    held, next_gate, attention = gate(), "G1", (("W0.2.2", "16:00  two-hourly check"),)
    if state != "running":
        ended = tuple(replace(j, state="done", finished=STARTED) for j in tasks["W0.2.1"].jobs)
        tasks["W0.2.1"] = replace(tasks["W0.2.1"], state="done", jobs=ended)
        for id in ("W0.2.2", "W0.2.4", "W0.2.5", "W0.3.3"):
            tasks[id] = replace(tasks[id], state="done", why=())
        tasks["W0.4.2"] = replace(tasks["W0.4.2"], state="ready", why=())
        held = gate(measured=True, accuracy=0.93 if state == "gate" else 0.85, state="ready")
        attention = (("G1", "open: decide GO or NO-GO"),)
    if state == "no-go":
        said = DecisionView("G1", 1, "no-go", "NO-GO", "arthur", "SQL injection is missed too often",
                            "2025-10-17T13:58:00.000Z", True, "G1-1.toml", False, "person")  # fmt: skip
        held = replace(held, state="no-go", decision=said)
        tasks["W0.4.2"] = replace(tasks["W0.4.2"], state="done")
        for id in ("W0.4.3b", "W0.5.2"):
            tasks[id] = replace(tasks[id], state="ready", why=())
        attention = (("W0.4.3b", "root cause analysis, due 19:00"),)
    return View(
        plan=plan(), site=site(), workspace="/tmp/rehearsal", rehearsal=True, tasks=tasks, gates={"G1": held},
        contingencies={},
        sequence=14, started="2025-10-16", done=sum(t.state in ("done", "skipped") for t in tasks.values()),
        total=len(tasks), next_gate=next_gate, attention=attention, day=2,
    )  # fmt: skip


def training_events(steps: int = 60, *, start: float = 1760707260.0) -> bytes:
    """A job's events file: a loss that falls, one log line a step, checks every 20."""
    noise, lines = random.Random(7), []
    for step in range(1, steps + 1):
        t = start + step * 40
        loss = 1.9 * 0.96**step + 0.08 + noise.uniform(-0.05, 0.05)
        said = f"step {step}  loss {loss:.3f}  1.42 it/s  2,130 tok/s"
        lines.append({"type": "metric", "t": t, "name": "loss", "step": step, "value": loss})
        lines.append({"type": "progress", "t": t, "done": step, "total": 100, "unit": "step"})
        lines.append({"type": "log", "t": t, "text": said})
        if step % 20 == 0:
            lines.append({"type": "metric", "t": t, "name": "val_loss", "step": step, "value": loss + 0.1})
            path = f"jobs/a3f19c02/artefacts/checkpoint-{step}.safetensors"
            made = {
                "type": "artefact",
                "t": t,
                "name": "checkpoint",
                "path": path,
                "size": 1_900_000,
                "sha256": "0" * 64,
            }
            lines.append(made)
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def reading(t: float = 0.0, **given: object) -> SimpleNamespace:
    held = {
        "t": t, "cpu_percent": 12.0, "cpu_reason": "", "gpu_percent": None, "gpu_reason": "no GPU is read on this host",
        "ram_used": 3_100_000_000, "ram_total": 24_000_000_000, "temperature_c": None,
        "temperature_reason": "this host has no temperature sensor that can be read", "watts": None,
        "watts_reason": "this host does not tell its power", "disk_free": 61_000_000_000,
        "gpu_memory_used": None, "gpu_memory_total": None, "gpu_memory_reason": "no GPU is read on this host",
        "thermal_pressure": None, "thermal_reason": "only macOS tells its thermal pressure",
        "disk_written": 1_200_000.0, "disk_reason": "", "net_sent": 4_100.0, "net_received": 900.0, "net_reason": "",
        "load1": 1.25,
    }  # fmt: skip
    return SimpleNamespace(**(held | given))
