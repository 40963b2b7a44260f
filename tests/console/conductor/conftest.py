"""A small plan and a journal told row by row, for the pure rules."""

import datetime

import msgspec
import pytest

from console.conductor.compose import view
from console.conductor.scene import Scene
from console.journal.entries import (
    Created,
    CriterionStood,
    Decided,
    Input,
    JobFinished,
    JobStarted,
    RecordTyped,
    Row,
    Skipped,
    Ticked,
)
from console.journal.fold import State
from console.plan.sites import Site
from console.plan.types import ArtefactFrom, JobsOf, Plan
from operations.events import Made, Measured

NOW = datetime.datetime(2025, 10, 20, 12, 0, tzinfo=datetime.UTC)

PLAN = {
    "schema": 1,
    "id": "small",
    "title": "Small",
    "version": "1",
    "start": "2025-10-16",
    "days": 10,
    "phase": {"P": {"title": "First", "file": "p.toml"}, "Q": {"title": "Second", "file": "q.toml", "when": "G is go"}},
    "task": {
        "make": {"title": "Make", "host": "A", "operation": "dataset.sample", "parameters": {"samples": 1000}},
        "split": {"title": "Split", "host": "A", "operation": "dataset.split", "needs": ["make"]},
        "early": {
            "title": "Early",
            "host": "A",
            "operation": "model.finetune",
            "instead_of": "train",
            "optional": True,
        },
        "train": {"title": "Train", "host": "A", "operation": "model.finetune", "needs": ["split"]},
        "watch": {"title": "Watch", "host": "A", "operation": "model.observe", "during": "train", "repeats": "2 h"},
        "test": {
            "title": "Test",
            "host": "A",
            "operation": "model.evaluate",
            "needs": ["train"],
            "record": {
                "accuracy": {"label": "accuracy", "measure": "accuracy", "ref": "M-018", "expect": {"at_least": 0.9}},
                "note": {"label": "note"},
                "hours": {"label": "hours", "unit": "h"},
            },
            "deliverable": {"D-1": "tested"},
        },
        "talk": {
            "title": "Talk",
            "needs": ["test"],
            "deliverable": {"D-2": "talked"},
            "record": {"who": {"label": "who"}},
        },
        "decide": {"title": "Decide", "needs": ["test"], "gate": "G"},
        "mourn": {"title": "Mourn", "when": "G is no-go", "deliverable": {"D-3": "mourned"}},
        "next": {"title": "Next", "deliverable": {"D-4": "next"}},
    },
    "gate": {
        "G": {
            "title": "Good enough",
            "criterion": {
                "accuracy": {
                    "label": "accuracy",
                    "task": "test",
                    "measure": "accuracy",
                    "compare": ">=",
                    "threshold": 0.9,
                    "kind": "software",
                    "smallest_sample": 100,
                    "waivable": False,
                },
                "errors": {
                    "label": "errors",
                    "task": "test",
                    "measure": "coherent",
                    "compare": ">",
                    "threshold": 0.98,
                    "kind": "facility",
                },
            },
        }
    },
}
PHASES = {name: "Q" if name == "next" else "P" for name in PLAN["task"]}
SITE = {
    "schema": 1,
    "id": "here",
    "title": "Here",
    "rehearsal": True,
    "host": {"A": {"root": "a"}, "B": {"root": "b"}},
    "parameters": {"make": {"samples": 200}},
}


class Story:
    """What happened, told in order."""

    def __init__(self, plan: dict, rehearsal: bool = False, not_here: dict | None = None) -> None:
        self.plan = msgspec.structs.replace(msgspec.convert(plan, Plan), task_phase=PHASES)
        self.plan.task["split"].parameters["source"] = ArtefactFrom(task="make", artefact="dataset")
        self.plan.task["watch"].parameters["jobs"] = JobsOf(jobs_of="train")
        self.site = msgspec.convert(SITE, Site)
        self.state = State()
        self.now = NOW
        self.jobs = 0
        self.say(
            Created(
                plan="small",
                version="1",
                plan_digest="",
                site="here",
                site_digest="",
                rehearsal=rehearsal,
                not_here=not_here or {},
                start=datetime.date(2025, 10, 16),
            )
        )

    def say(self, entry, operator="Ada") -> None:
        number = self.state.sequence + 1
        time = f"2025-10-16T08:00:{number % 60:02}.000Z"
        self.state.apply(
            Row(sequence=number, previous=self.state.head, time=time, operator=operator, entry=entry), f"hash{number}"
        )

    def start(self, task, role="", operator="Ada", inputs=(), occurrence="", continues="") -> str:
        self.jobs += 1
        id = f"job{self.jobs}"
        asked = self.plan.task[task]
        attempts = [j for j in self.state.runs.get((task, 1), []) if j.started.role == role]
        self.say(
            JobStarted(
                job=id,
                task=task,
                round=1,
                occurrence=occurrence,
                role=role,
                host="A",
                attempt=len(attempts) + 1,
                operation=asked.operation,
                parameters={},
                inputs=list(inputs),
                continues=continues,
            ),
            operator,
        )
        return id

    def end(self, job, outcome="done", measures=(), artefacts=(), reason="", signal="") -> None:
        self.say(
            JobFinished(
                job=job,
                outcome=outcome,
                reason=reason,
                signal=signal,
                measures=list(measures),
                artefacts=[Made(t=0, name=n, path=f"jobs/{job}/{n}", size=1, sha256=sha) for n, sha in artefacts],
                events_bytes=0,
                events_sha256="",
            )
        )

    def did(self, task, outcome="done", measures=(), artefacts=(), inputs=(), **end) -> str:
        job = self.start(task, inputs=inputs)
        self.end(job, outcome, measures, artefacts, **end)
        return job

    def chain(self, accuracy: Measured | None, coherence: Measured | None = None) -> None:
        """Every operation once, with lineage."""
        make = self.did("make", artefacts=[("dataset", "d1")])
        split = self.did("split", artefacts=[("train", "t1")], inputs=[Input("source", "make", "dataset", make, "d1")])
        train = self.did(
            "train", artefacts=[("checkpoint", "c1")], inputs=[Input("train", "split", "train", split, "t1")]
        )
        given = [m for m in (accuracy, coherence) if m]
        self.did("test", measures=given, inputs=[Input("model", "train", "checkpoint", train, "c1")])

    def decided(self, outcome, waivers=(), operator="Ada") -> None:
        from console.conductor.criteria import criteria, gate_digest

        found = criteria(self.scene, "G")
        self.say(
            Decided(
                gate="G",
                round=1,
                outcome=outcome,
                reason="because",
                actor="person",
                gate_digest=gate_digest(self.plan, "G"),
                criteria=[
                    CriterionStood(
                        name=c.name,
                        shown=c.shown,
                        asks=c.asks,
                        gates=c.gates,
                        met=c.met,
                        stale=c.stale,
                        reason=c.reason,
                        job=c.job,
                        value=None,
                        n=None,
                        count=None,
                    )
                    for c in found
                ],
                waivers=list(waivers),
                also_ran=False,
                file="G.toml",
                file_sha256="",
                signed=False,
            ),
            operator,
        )

    def ticked(self, task, deliverable, undo=False) -> None:
        self.say(Ticked(task=task, round=1, deliverable=deliverable, undo=undo))

    def typed(self, task, record, value) -> None:
        self.say(RecordTyped(task=task, round=1, record=record, value=value))

    def skipped(self, task) -> None:
        self.say(Skipped(task=task, round=1, reason="not needed"))

    @property
    def scene(self) -> Scene:
        return Scene(self.plan, self.site, self.state, self.now)

    @property
    def view(self):
        return view(self.scene, "/w")

    def state_of(self, task):
        return self.view.tasks[task].state


def proportion(count: int, n: int, name: str = "accuracy") -> Measured:
    return Measured(t=0, name=name, value=count / n, n=n, count=count)


@pytest.fixture
def tell():
    def tell(rehearsal=False, not_here=None) -> Story:
        return Story(PLAN, rehearsal, not_here)

    tell.proportion = proportion
    tell.now = NOW
    return tell
