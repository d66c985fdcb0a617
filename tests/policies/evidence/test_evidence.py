"""The integers of a step: what they add up to, and that an audit event gives them back."""

import json
from dataclasses import asdict, replace

from policies.evidence.evidence import WHOLE, ArmEvidence, Evidence
from policies.statistics.means import Sample
from policies.statistics.restarts import StepClock
from tests.policies.evidences import BAD, arm


def test_calls_and_badness_are_summed_over_the_slots() -> None:
    """Badness in units: a score of 0.25 is three quarters of a bad unit."""
    seen = ArmEvidence(requests={0: 3, 7: 4}, bad={"quality": {0: WHOLE, 7: WHOLE * 3 // 4}})
    assert (seen.calls, seen.badness("quality"), seen.badness("errors")) == (7, 1.75, 0.0)


def test_quality_is_measured_by_what_was_scored() -> None:
    """A call that nobody scored is neither good nor bad."""
    seen = ArmEvidence(requests={0: 100}, scored={0: 5})
    assert (seen.trials("scored units"), seen.trials("judged calls")) == ({0: 5}, {0: 100})


def test_a_count_from_a_clock_that_is_ahead_opens_its_slot() -> None:
    """No component counts before it has begun."""
    ahead = replace(BAD, minute=2, offset=9, stable=ArmEvidence(requests={5: 1}))
    assert (ahead.clock, replace(ahead, minute=8).clock) == (StepClock(5, 9), StepClock(8, 9))


def test_an_audit_event_gives_the_evidence_back() -> None:
    """Through JSON, which knows only text as names."""
    rich = replace(
        BAD, canary=arm(20, 20, Sample(2, 3.0, 5.0, ((1.0, 1),)), errors=3), banked={"cost <= stable * 2": 0.5}
    )
    assert Evidence.from_record(json.loads(json.dumps(asdict(rich)))) == rich
