"""Evidence of a trial's call about its arm: failed, rejected or slow, and its usage.

Everything is counted for the arm as a whole and for the party that called (`gateway.rollout.parties`), because no party
proves anything alone.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from gateway.calls import Outcome
from gateway.rollout.checks import Checks
from gateway.rollout.repeats import Repeats
from gateway.store.seam import MAX_FAILING_UNITS, MAX_UNITS, Arm, SampleSums
from policies.behaviours.behaviours import OF_CONVERSATIONS, OF_REQUESTS
from policies.calls.blame import RATE_LIMIT
from policies.evidence.evidence import ERRORS, REJECTIONS, REPEATS, WHOLE, checked, part_of, repeated
from policies.guardrails.metrics import MEANS, Amount
from policies.guardrails.thresholds import Scale, SlowThreshold
from policies.statistics.means import BINS


@dataclass(frozen=True, slots=True)
class Unshared:
    """Knowledge of this replica alone about units: how often each was bad, and which were checked lately."""

    repeats: Repeats = field(default_factory=Repeats)
    checks: Checks = field(default_factory=Checks)


def weigh(outcome: Outcome, judged: bool, arm: Arm, known: Unshared) -> bool:
    """Take a call as evidence on its arm; return whether to flush at once, because the canary failed or refused it.

    `judged` is the outcome's, which takes a while to find.
    """
    repeats = known.repeats
    if outcome.arm == "canary" and not outcome.origin:
        _check(outcome, judged, arm, known.checks)
    is_refused = outcome.rejected and not outcome.excused
    if is_refused:
        _mark_call(outcome, arm, REJECTIONS, outcome.party, repeats)
    if outcome.shown and outcome.thresholds is not None and not outcome.excused:
        _mark_shown(outcome, judged, outcome.thresholds.behaviours, arm, repeats)
    if judged:
        return _count_judged(outcome, arm, repeats) or (is_refused and outcome.arm == "canary")
    arm.uncounted += 1
    _mark_lost(outcome, arm, repeats)
    return is_refused and outcome.arm == "canary"


def _check(outcome: Outcome, judged: bool, arm: Arm, checks: Checks) -> None:
    """Check the call against absolute limits, if its unit is due.

    A client that has left is checked only where it has waited beyond a limit.
    """
    unit = drawing_unit(outcome)
    if not checks.is_due(outcome.agent, unit, outcome.ended_at):
        return
    limits = outcome.thresholds.limits if outcome.thresholds is not None and not outcome.failed else ()
    slow = {each.component for each in _exceeded(outcome, limits)} if limits else ()
    if not (judged or outcome.rejected or (slow and outcome.end == "client_gone")):
        return
    checks.note(outcome.agent, unit)
    party, excused = outcome.party, outcome.excused
    if outcome.rejected and not excused:
        mark(arm, checked(REJECTIONS), unit, party)
    for behaviour in outcome.thresholds.limited if outcome.thresholds is not None else ():
        if behaviour not in outcome.shown:
            _count_check(arm, behaviour, party)
        elif not excused:
            mark(arm, checked(behaviour), unit, party)
    for limit in limits:
        if limit.component in slow:
            mark(arm, checked(limit.component), unit, party)
        else:
            _count_check(arm, limit.component, party)
    if not judged:
        return
    if outcome.failed and not excused:
        mark(arm, checked(ERRORS), unit, _causing_party(outcome))
        _count_check(arm, REJECTIONS, party)
    else:
        _count_check(arm, ERRORS, party)


def _count_check(arm: Arm, component: str, party: str) -> None:
    key = component, party
    arm.checks[key] = arm.checks.get(key, 0) + 1


def mark(arm: Arm, component: str, unit: str, party: str, badness: int = WHOLE) -> bool:
    """Note the unit under the component, once; whether it is noted there, for which there must be room."""
    units = arm.bad.setdefault(component, {})
    if unit not in units and len(units) >= MAX_FAILING_UNITS:
        return False
    units.setdefault(unit, badness)
    if party:
        arm.party_of.setdefault(unit, party)
    return True


def _mark_call(outcome: Outcome, arm: Arm, component: str, party: str, repeats: Repeats) -> None:
    """Note a bad call of a unit: once for the first of them, and once for each later one that is an event."""
    unit = _counted_unit(outcome)
    mark(arm, component, unit, party)
    if outcome.by_words:
        if outcome.arm == "canary" and component in (ERRORS, REJECTIONS):
            arm.left_out += repeats.add(outcome.agent, outcome.origin or outcome.evidence, component, unit) != 1
        return
    times = repeats.add(outcome.agent, outcome.origin or outcome.evidence, component, unit)
    if times in REPEATS:
        mark(arm, repeated(component, times), unit, party)


def _mark_shown(outcome: Outcome, judged: bool, watched: Iterable[str], arm: Arm, repeats: Repeats) -> None:
    """Note the unit under the behaviours that the call shows.

    What the request alone shows counts whatever became of the call, for that was known before its arm answered.
    """
    for behaviour in watched:
        if behaviour not in outcome.shown or not (judged or behaviour in OF_REQUESTS):
            continue
        if behaviour in OF_CONVERSATIONS:
            mark(arm, behaviour, _counted_unit(outcome), outcome.party)
        else:
            _mark_call(outcome, arm, behaviour, outcome.party, repeats)


def drawing_unit(outcome: Outcome) -> str:
    """Return the id of the unit whose bucket drew the arm: an earlier turn's, or the call's own."""
    return outcome.drawn or unit_id(outcome.unit)


def _causing_party(outcome: Outcome) -> str:
    """Return the party that may have caused a failure, '' where no request can: then nobody is left out for it."""
    return outcome.party if outcome.attempts[0].caller_can_cause else ""


def _counted_unit(outcome: Outcome) -> str:
    """Return the id of the unit that a bad call counts for: the one whose bucket drew the arm.

    Conversations that are known by the words of an answer are one where they got the same, which depends on the arm.
    So there each bad call of stable counts, but of the canary's no more than one a conversation (decision 33).
    """
    if not outcome.drawn:
        return unit_id(outcome.unit)
    return unit_id(outcome.call_id) if outcome.by_words and outcome.arm == "stable" else outcome.drawn


@lru_cache(maxsize=1024)  # asked for twice a call, and a conversation comes back
def unit_id(unit: str) -> str:
    """A short name for a unit that tells nothing of it: 16 hex digits."""
    return blake2b(unit.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def cost_of(outcome: Outcome) -> int | None:
    """Return the cost of the first attempt in nano-USD: a fallback's bill is not the version's doing.

    A prompt cache has no part in it: how warm that is depends on how busy an arm is (decision 36).
    """
    first = outcome.attempts[0]
    return first.cost_nano_usd if first.neutral_nano_usd is None else first.neutral_nano_usd


def tokens_of(outcome: Outcome) -> int | None:
    """Return the tokens that the first attempt took."""
    usage = outcome.attempts[0].usage
    return None if usage is None else usage.input + usage.output


_AMOUNTS: Mapping[Amount, Callable[[Outcome], int | None]] = {"cost": cost_of, "tokens": tokens_of}
_USED = {name: _AMOUNTS[mean.amount] for name, mean in MEANS.items()}


def _count_judged(outcome: Outcome, arm: Arm, repeats: Repeats) -> bool:
    """Count a call that says how its version does; return whether it is a failure of the canary."""
    unit, failed = drawing_unit(outcome), outcome.failed and not outcome.excused
    party = _causing_party(outcome)
    if outcome.by_words:  # its share of the calls and of the sums is no arm's doing
        arm.uncounted += 1
    else:
        arm.requests += 1
        arm.errors += failed
    if failed:
        _mark_call(outcome, arm, ERRORS, party, repeats)
        _mark_lost(outcome, arm, repeats)
    elif outcome.thresholds is not None and not outcome.failed:
        _mark_slow(outcome, outcome.thresholds.slow, arm, repeats)
        if not (outcome.overtaken or outcome.by_words):  # what an overtaken attempt took is an estimate, and too low
            _sample(outcome, outcome.thresholds.scales, unit, arm)
    if outcome.arm != "canary":
        return False
    if outcome.by_words:
        return failed
    if party:
        arm.requests_of[party] = arm.requests_of.get(party, 0) + 1
    if len(arm.units) < MAX_UNITS:
        arm.units.add(unit)
    return failed  # what is slow is seen soon enough by the regular flush, and is far more usual


def _mark_lost(outcome: Outcome, arm: Arm, repeats: Repeats) -> None:
    """Note what is known of a call whose duration nobody saw to its end, so that no loss depends on the arm.

    Whoever leaves has waited for so long at least, on either arm. What a failure or a refusal hides of stable counts as
    bad, and what it hides of the canary for nothing (decision 34).
    """
    slow = outcome.thresholds.slow if outcome.thresholds is not None else ()
    first = outcome.attempts[0] if outcome.attempts else None
    if outcome.end == "client_gone" and (first is None or first.failure is None):
        _mark_slow(outcome, slow, arm, repeats)
    elif outcome.arm == "stable" and first is not None and first.failure is not None:
        for threshold in slow:
            _mark_call(outcome, arm, threshold.component, outcome.party, repeats)
        if first.failure != "bad_tool_arguments" and outcome.thresholds is not None:  # else its answer was seen
            for behaviour in outcome.thresholds.behaviours:
                if behaviour not in OF_REQUESTS:
                    _mark_call(outcome, arm, behaviour, outcome.party, repeats)
        if first.status == RATE_LIMIT:  # the busier arm has more of them
            _mark_call(outcome, arm, ERRORS, outcome.party, repeats)


def _mark_slow(outcome: Outcome, slow: Iterable[SlowThreshold], arm: Arm, repeats: Repeats) -> None:
    """Note the unit under the kinds of slowness that this call falls under."""
    for threshold in _exceeded(outcome, slow):
        _mark_call(outcome, arm, threshold.component, outcome.party, repeats)


def _exceeded(outcome: Outcome, slow: Iterable[SlowThreshold]) -> Iterator[SlowThreshold]:
    """Yield the thresholds that the call took longer than."""
    latency = outcome.ended_at - outcome.received_at
    first = None if outcome.first_token_at is None else outcome.first_token_at - outcome.received_at
    if outcome.overtaken:  # the client saw the hedge's time, and how long the version would have taken is not known
        latency = _at_least(outcome)
        first = latency if outcome.stream else None
    elif first is None and outcome.stream:  # who leaves a stream before its first token has waited for that, too
        first = latency
    for threshold in slow:
        seconds = latency if threshold.measure == "latency" else first
        if seconds is not None and seconds > threshold.seconds:
            yield threshold


def _at_least(outcome: Outcome) -> float:
    """Return the seconds that an overtaken call is taken to have lasted.

    What is open is decided in the canary's favour, so that no hedge makes it look worse than stable (decision 13).
    """
    return math.inf if outcome.arm == "stable" else outcome.attempts[0].ended_at - outcome.received_at


def _sample(outcome: Outcome, scales: Mapping[str, Scale], unit: str, arm: Arm) -> None:
    """Add what the call took to its arm's samples, and to its party's part of them."""
    bin_index = int(unit, 16) % BINS
    for metric, scale in scales.items():
        used = _USED[metric](outcome)
        if used is None:
            continue
        value = scale.scaled(used)
        _sums(arm, metric).add(value, bin_index)
        if outcome.party:
            _sums(arm, part_of(metric, outcome.party)).add(value)


def _sums(arm: Arm, name: str) -> SampleSums:
    sums = arm.samples.get(name)
    if sums is None:
        sums = arm.samples[name] = SampleSums()
    return sums
