"""How often a target that cannot serve is told of, and what is kept for that."""

import io
import json

from gateway import logs
from gateway.calls import Call, Caller
from gateway.errors import KeyRefused
from gateway.json_body import Document
from gateway.net.client import Origin
from gateway.rollout.target_faults import SAY_AGAIN_SECONDS, Fault, TargetFaults
from routing.chain import Target
from routing.models import MODELS

ORIGIN = Origin("https", "one.example", 443)


def refuse(faults: TargetFaults, agent: str, target: Target) -> None:
    """The provider's key may not use the target's model."""
    call = Call("c", Caller("web", ""), agent, None, Document.parse(b"{}"), False, False, [], "", 0.0, format="openai")
    faults.failed(target, ORIGIN, call, KeyRefused("status", 403, reason="model"), answered=True)


def test_models_that_a_key_may_not_use_are_told_of_once() -> None:
    """Clients write the names of plain models: a provider is told of once in a while, an agent's target by itself."""
    out, told, now = io.BytesIO(), list[Fault](), 0.0
    faults = TargetFaults(logs.to(out), lambda: now, lambda _agent, _target, fault: told.append(fault))
    for number in range(100):
        refuse(faults, MODELS, Target("one", f"made up {number}"))
    refuse(faults, MODELS, Target("two", "good"))
    refuse(faults, "support", Target("one", "good"))
    lines = [json.loads(line)["target"] for line in out.getvalue().splitlines()]
    assert lines == ["one/made up 0", "two/good", "one/good"] and len(told) == 3
    now = SAY_AGAIN_SECONDS
    refuse(faults, MODELS, Target("one", "made up 0"))
    assert len(told) == 4 and len(faults._said_at) == 1
