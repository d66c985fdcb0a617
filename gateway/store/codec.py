"""The encoding of records, audit events and tallies in Redis: flat text fields, and JSON where something is nested.

Floats travel as the shortest text that reads back as the same float; JSON never holds NaN or Infinity.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import astuple, fields
from typing import Any, get_args

from gateway.errors import StoreAway
from gateway.store.audit_chain import content_digest
from gateway.store.schema import check_schema, schema_fields
from policies.evidence.tally import Tally
from policies.rollout.rollout import Decision
from policies.rollout.state import Action, Phase, State, Step, VersionRef

_PHASES = (*get_args(Phase), "")
_ACTIONS = get_args(Action)
_YES = "1"
_STEP = len(fields(Step))  # members of a step; a newer release may write more


def encode_state(state: State) -> dict[str, str]:
    """The record as fields of a hash, without `changed_at`: the store's own clock says that."""
    return {
        **schema_fields(),
        "epoch": str(state.epoch),
        "phase": state.phase or "",
        "step": str(state.step),
        "weight": str(state.weight),
        "stable": _json(_ref(state.stable)),
        "canary": _json(_ref(state.canary)),
        "rollout": str(state.rollout),
        "evidence": str(state.evidence),
        "reason": state.reason,
        "actor": state.actor,
        "action": state.action,
        "rolled_back": _json(dict(state.rolled_back)),
        "began_at": repr(float(state.began_at)),
        "segment": str(state.segment),
        "offset": str(state.offset),
        "banked": _numbers(state.banked),
        "frozen": _numbers(state.frozen),
        "approved": _flag(state.approved),
        "pinned": _flag(state.pinned),
        "dismissed": _json(list(state.dismissed)),
        "ladder": _json([astuple(step) for step in state.steps]),
        "replaced": _json(list(state.replaced)),
        "earlier": _json([list(step) for step in state.earlier]),
        "excluded": _json(list(state.excluded)),
        "acknowledged": _json(list(state.acknowledged)),
        "spent": _flag(state.spent),
    }


def decode_state(agent: str, fields: Mapping[str, str]) -> State | None:
    """The record of `encode_state`, None when there is none.

    Raises StoreAway when it cannot be read: a record that is there but unknown must not pass for a missing one. Raises
    StoreAhead where a newer release says that this one might misread it. Fields that are not known are ignored.
    """
    if not fields:
        return None
    try:
        check_schema(agent, fields)
        return _decode(fields)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise StoreAway(f"the record of agent {agent!r} cannot be read: {error!r}") from error


def encode_event(agent: str, decision: Decision, config_digest: str) -> tuple[str, str]:
    """The audit event of a decision as a JSON object, without what commit.lua adds; and its digest for the chain."""
    state = decision.state
    event = {
        "agent": agent,
        "action": state.action,
        "actor": state.actor,
        "reason": state.reason,
        "evidence": dict(decision.evidence),
        "epoch_before": decision.expected_epoch,
        "epoch_after": state.epoch,
        "config_digest": config_digest,
        "phase": state.phase,
        "step": state.step,
        "weight": state.weight,
        "stable": _ref(state.stable),
        "canary": _ref(state.canary),
        "frozen": dict(state.frozen),
        "excluded": list(state.excluded),
    }
    return _json(event), content_digest(_finite(event))


def decode_tallies(fields: Mapping[str, str]) -> dict[str, Tally]:
    """The tallies by their keys, from the fields of the rollout's hash, `<tally key>|<field>`."""
    sums: dict[str, list[tuple[str, int]]] = {}
    for field, amount in fields.items():
        key, _, name = field.rpartition("|")
        sums.setdefault(key, []).append((name, int(amount)))
    return {key: Tally.from_fields(pairs) for key, pairs in sums.items()}


def _decode(fields: Mapping[str, str]) -> State:
    """A record from before there were steps lacks some fields; its step is taken to have begun with its last change."""
    phase, action = fields["phase"], fields["action"]
    if phase not in _PHASES or action not in _ACTIONS:
        raise ValueError(f"unknown phase {phase!r} or action {action!r}")
    return State(
        epoch=int(fields["epoch"]),
        phase=phase or None,  # type: ignore[arg-type]  # checked above
        step=int(fields["step"]),
        weight=int(fields["weight"]),
        stable=VersionRef(**_known(json.loads(fields["stable"]))),
        canary=_read_ref(json.loads(fields["canary"])),
        rollout=int(fields["rollout"]),
        evidence=int(fields["evidence"]),
        reason=fields["reason"],
        actor=fields["actor"],
        action=action,  # type: ignore[arg-type]  # checked above
        changed_at=float(fields["changed_at"]),
        rolled_back=json.loads(fields["rolled_back"]),
        began_at=float(fields.get("began_at", fields["changed_at"])),
        segment=int(fields.get("segment", 1)),
        offset=int(fields.get("offset", 0)),
        banked=_read_numbers(fields.get("banked", "{}")),
        frozen=_read_numbers(fields.get("frozen", "{}")),
        approved=fields.get("approved") == _YES,
        pinned=fields.get("pinned") == _YES,
        dismissed=tuple(json.loads(fields.get("dismissed", "[]"))),
        steps=tuple(Step(*step[:_STEP]) for step in json.loads(fields.get("ladder", "[]"))),
        replaced=tuple(json.loads(fields.get("replaced", "[]"))),
        earlier=tuple((int(epoch), int(weight)) for epoch, weight, *_ in json.loads(fields.get("earlier", "[]"))),
        excluded=tuple(json.loads(fields.get("excluded", "[]"))),
        acknowledged=tuple(json.loads(fields.get("acknowledged", "[]"))),
        spent=fields.get("spent") == _YES,
    )


def _flag(value: bool) -> str:
    return _YES if value else ""


def _numbers(numbers: Mapping[str, float]) -> str:
    return _json({name: float(number) for name, number in numbers.items()})


def _read_numbers(text: str) -> dict[str, float]:
    """Read numbers back; infinite ones are stored as text."""
    return {name: float(number) for name, number in json.loads(text).items()}


def _ref(ref: VersionRef | None) -> dict[str, str] | None:
    return {"version": ref.version, "digest": ref.digest} if ref else None


def _read_ref(value: Mapping[str, str] | None) -> VersionRef | None:
    return VersionRef(**_known(value)) if value else None


def _known(members: Mapping[str, str]) -> dict[str, str]:
    return {name: members[name] for name in ("version", "digest")}


def _json(value: object) -> str:
    return json.dumps(_finite(value), allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    """The same value with `inf` and `nan` as text, which JSON has no numbers for; an e-value may well be infinite."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
