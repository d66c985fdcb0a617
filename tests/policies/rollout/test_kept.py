"""Which versions conversations under way may keep, as the configuration goes on from a record."""

from dataclasses import replace

import pytest

from policies.rollout.rollout import reconcile
from policies.rollout.state import Intent, Phase, State, Step, VersionRef

V1, V2, V3 = (VersionRef(name, f"digest of {name}") for name in ("v1", "v2", "v3"))
STEPS = (Step(500),)
TRIAL = Intent(V1, V2, STEPS)


def record(phase: Phase | None) -> State:
    decision = reconcile(None, TRIAL, 0.0)
    assert decision
    return replace(decision.state, phase=phase)


@pytest.mark.parametrize(
    ("phase", "intent", "kept"),
    [
        ("running", TRIAL, (V2,)),
        ("paused", TRIAL, (V2,)),
        ("completed", TRIAL, (V2,)),
        ("rolled_back", TRIAL, ()),
        ("running", Intent(V1, V3, STEPS), (V2,)),  # the next canary
        ("completed", Intent(V2, None), (V1,)),  # the completed canary is stable now
        ("completed", Intent(V2, V3, STEPS), (V1,)),  # and has a canary of its own
        ("running", Intent(V1, None), ()),  # a person took the canary out
        ("running", Intent(V3, None), ()),  # a person named another stable
        ("completed", Intent(V1, V3, STEPS), ()),  # a person went back to the stable before
    ],
)
def test_what_may_be_kept(phase: Phase, intent: Intent, kept: tuple[VersionRef, ...]) -> None:
    """Beside the configured stable version."""
    assert record(phase).kept(intent) == tuple(ref.digest for ref in kept)


def test_what_was_replaced_stays_on_record() -> None:
    """v1 gave way to v2, v2 is to give way to v3: conversations on v1 may still be under way."""
    decision = reconcile(record("completed"), Intent(V2, V3, STEPS), 1.0)
    assert decision
    assert decision.state.replaced == (V1.digest,)
    assert replace(decision.state, phase="rolled_back").kept(Intent(V2, V3, STEPS)) == (V1.digest,)
