"""Decisions at gates: who may say GO, and the file that says it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from console import clock
from console.conductor.compose import gate_view, nothing_bound
from console.conductor.criteria import gate_digest, why_not_go
from console.conductor.errors import BadInput, Refused
from console.conductor.view import CriterionView, GateView
from console.conductor.workspace import Workspace
from console.journal import decisions
from console.journal.entries import AnyEntry, CriterionStood, Decided, Waiver
from console.journal.fold import State
from console.journal.signing import SigningError
from console.journal.store import now
from console.plan.types import Gate


@dataclass(frozen=True, slots=True)
class Ask:
    """What the operator, or the rule of a rehearsal, wants to decide; ``again`` supersedes an earlier decision."""

    gate: str
    outcome: str
    reason: str
    waivers: tuple[Waiver, ...] = ()
    again: bool = False
    by_rule: bool = False


def decide(workspace: Workspace, operator: str, ask: Ask) -> str:
    """Writes the decision's file and its row in one transaction; returns the file's name. Raises Refused."""
    outcome = ask.outcome
    if ask.gate not in workspace.plan.gate:
        raise BadInput(f"no gate {ask.gate} in this plan; it has {', '.join(workspace.plan.gate) or 'none'}")
    if outcome not in ("go", "no-go"):
        raise BadInput(f"{outcome!r}: a decision is go or no-go")
    if not ask.reason:
        raise BadInput(f"{ask.gate}: a decision needs a reason")
    if ask.by_rule and not workspace.scene().rehearsal:
        raise Refused(f"{ask.gate}: only a rehearsal decides by rule; here a person does")
    written = decisions.Written("", "", False)

    def build(state: State) -> list[tuple[str | None, AnyEntry]]:
        nonlocal written
        scene = workspace.scene_of(state)
        gate = gate_view(scene, ask.gate)
        _allowed(gate, scene.plan.gate[ask.gate], ask)
        stood = [_stood(criterion) for criterion in gate.criteria]
        decision = decisions.Decision(
            outcome=f"{outcome.upper()} (rehearsal)" if outcome == "go" and scene.rehearsal else outcome.upper(),
            gate=ask.gate,
            title=gate.title,
            round=scene.round(gate.task),
            reason=ask.reason,
            operator=operator,
            uid=decisions.uid(),
            actor="rule" if ask.by_rule else "person",
            also_ran=operator in gate.also_ran,
            time=now(),
            rehearsal=scene.rehearsal,
            plan=f"{workspace.plan.title} v{workspace.plan.version}",
            plan_digest=workspace.plan.digest,
            gate_digest=gate_digest(workspace.plan, ask.gate),
            journal_sequence=state.sequence,
            journal_head=state.head,
            bound=gate.bound or "",
            not_proven_here=list(gate.not_proven),
            criterion=stood,
            waiver=list(ask.waivers),
        )
        written = _write(workspace, decision)
        return [
            (
                None,
                Decided(
                    gate=ask.gate,
                    round=decision.round,
                    outcome="go" if outcome == "go" else "no-go",
                    reason=ask.reason,
                    actor="rule" if ask.by_rule else "person",
                    gate_digest=decision.gate_digest,
                    criteria=stood,
                    waivers=list(ask.waivers),
                    also_ran=decision.also_ran,
                    file=written.file,
                    file_sha256=written.sha256,
                    signed=written.signed,
                    bound=decision.bound,
                ),
            )
        ]

    workspace.journal.append(operator, build)
    decisions.publish(workspace.path / "decisions", written.file, written.sha256)
    return written.file


def _allowed(gate: GateView, planned: Gate, ask: Ask) -> None:
    if gate.decision is not None and not ask.again:
        raise Refused(
            f"{gate.id} was decided {gate.decision.outcome.upper()} by {gate.decision.operator} at {gate.decision.at}; "
            "--again supersedes that"
        )
    _waivers_hold(gate, ask)
    if ask.outcome == "no-go":
        return
    if gate.state == "closed":
        raise Refused(f"{gate.id} can't be GO: it is closed: {gate.why_not[-1]}")
    if gate.state == "passed-over":
        raise Refused(f"{gate.id} can't be GO: {gate.why_not[-1]}")
    held = list(why_not_go(gate.criteria, ask.waivers))
    if gate.bound == "":
        held.append(nothing_bound(planned))
    if held:
        raise Refused(f"{gate.id} can't be GO: {'; '.join(held)}")


def _waivers_hold(gate: GateView, ask: Ask) -> None:
    if ask.waivers and (ask.by_rule or ask.outcome == "no-go"):
        raise Refused(f"{gate.id}: {'a rehearsal never waives' if ask.by_rule else 'a NO-GO needs no waiver'}")
    by_name = {criterion.name: criterion for criterion in gate.criteria}
    for waiver in ask.waivers:
        criterion = by_name.get(waiver.criterion)
        if criterion is None:
            raise BadInput(f"{gate.id} has no criterion {waiver.criterion}; it has {', '.join(by_name) or 'none'}")
        if not criterion.waivable:
            raise Refused(f"{gate.id}: {criterion.label} can't be waived")
        if not waiver.reason:
            raise BadInput(f"{gate.id}: the waiver of {criterion.label} needs a reason")
        if waiver.until < clock.today():
            raise Refused(
                f"{gate.id}: the waiver of {criterion.label} would have expired on {waiver.until.isoformat()}"
            )


def _stood(criterion: CriterionView) -> CriterionStood:
    value = criterion.value
    return CriterionStood(
        name=criterion.name,
        shown=criterion.shown,
        asks=criterion.asks,
        gates=criterion.gates,
        met=criterion.met,
        stale=criterion.stale,
        reason=criterion.reason,
        job=criterion.job,
        typed=criterion.typed,
        value=value if isinstance(value, bool | int | float | str) else None,
        n=criterion.n,
        count=criterion.count,
    )


def _write(workspace: Workspace, decision: decisions.Decision) -> decisions.Written:
    key = Path(workspace.site.sign_key).expanduser() if workspace.site.sign_key else None
    try:
        return decisions.write(workspace.path / "decisions", decision, key)
    except SigningError as error:
        raise Refused(f"{decision.gate}: the decision can't be signed: {error}") from error
    except OSError as error:
        raise Refused(f"{decision.gate}: the decision can't be written: {error}") from error
