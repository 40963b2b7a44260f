"""Operations that do what operations must not, for tests of what runs them."""

import ctypes
import os
import subprocess
import sys
import time
from typing import Literal

import msgspec

from operations.contract import Kind, Measure, Operation, Output, Refusal


class CountParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    steps: int = 5
    pause: float = 0.0
    heeds: bool = True


def count(context, parameters):
    for step in range(parameters.steps):
        if context.stopping and parameters.heeds:
            context.stopped(f"stopped at step {step}")
            return
        context.metric("loss", 1 / (step + 1), step)
        print("step", step)
        time.sleep(parameters.pause)
    path = context.output("result.txt")
    path.write_text("result")
    context.measure("steps", parameters.steps)
    context.artefact("result", path)


class CrashParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    how: str


def crash(context, parameters):
    match parameters.how:
        case "refuse":
            raise Refusal("no such\nmodel")
        case "error":
            raise ValueError("wrong shape")
        case "memory":
            raise MemoryError
        case "disk":
            raise OSError(28, "No space left on device")
        case "exit":
            sys.exit(7)
        case "kill":
            os.kill(os.getpid(), 9)
        case "segfault":
            ctypes.string_at(0)
        case "undeclared":
            context.measure("nobody-knows", 1)


class SpeakParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    what: Literal["long", "lines", "bar", "bytes", "events", "numbers"]
    amount: int = 1


def speak(context, parameters):
    out = sys.stdout.buffer
    match parameters.what:
        case "long":
            for _ in range(parameters.amount):
                out.write(b"x" * (1 << 20))
            out.write(b"\nafter\n")
        case "lines":
            for line in range(parameters.amount):
                out.write(b"line %d\n" % line)
        case "bar":
            for step in range(parameters.amount):
                out.write(b"\r%3d%% done" % (100 * (step + 1) // parameters.amount))
            out.write(b"\n")
        case "bytes":
            out.write(b"\xff\xfe \x1b[2J caf\xc3\xa9\n")
        case "events":
            tell = context._teller._descriptor
            os.write(tell, b"no event\n" + b'{"type":"measure"}\n' + b"y" * 200_000 + b"\n")
        case "numbers":
            context.metric("loss", float("nan"), 1)
            context.measure("steps", float("-inf"))
            context.measure("table", {"a": 1, "b": float("nan"), "c": None})
    out.flush()
    context.log("spoken")


def orphan(context, _parameters):
    child = subprocess.Popen(["sleep", "1000"])
    context.measure("child", child.pid)
    context.measure("worker", os.getpid())
    while not context.stopping:
        time.sleep(0.02)


def deaf(context, _parameters):
    """Holds the interpreter's lock, so that no other thread of the worker runs for a while."""
    context.metric("loss", 0.0, 0)
    ctypes.PyDLL(None).sleep(3)


def fill(context, _parameters):
    """Events until the disk is full."""
    while True:
        context.log("z" * 4000)


def tell_secret(context, _parameters):
    context.measure("length", len(context.secret("token")))


class Nothing(msgspec.Struct, frozen=True):
    pass


OPERATIONS = (
    Operation(
        "hostile.count",
        "counts",
        CountParameters,
        count,
        measures=(Measure("steps", Kind.COUNT, "steps"),),
        outputs=(Output("result", "a text"),),
        resumable=True,
    ),
    Operation("hostile.crash", "ends badly", CrashParameters, crash),
    Operation(
        "hostile.speak",
        "says too much",
        SpeakParameters,
        speak,
        measures=(Measure("steps", Kind.NUMBER, "a number"), Measure("table", Kind.TABLE, "numbers")),
    ),
    Operation(
        "hostile.orphan",
        "starts a child and waits",
        Nothing,
        orphan,
        measures=(Measure("child", Kind.COUNT, "its pid"), Measure("worker", Kind.COUNT, "its pid")),
    ),
    Operation("hostile.deaf", "notices nothing for a while", Nothing, deaf),
    Operation("hostile.fill", "fills the disk", Nothing, fill),
    Operation(
        "hostile.secret",
        "has a secret",
        Nothing,
        tell_secret,
        measures=(Measure("length", Kind.COUNT, "characters"),),
    ),
)
