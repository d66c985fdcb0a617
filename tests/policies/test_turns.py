"""Turns of conversations: how a limit on them is written, what it reads, and that it blames nobody for being fast."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from policies.evidence.evidence import CONVERSATIONS, WHOLE, ArmEvidence, Evidence
from policies.evidence.turns import CALLS, MARKS, WINDOW_MINUTES, reached, resolved, turns_of
from policies.guardrails.grammar import DEFAULT_GUARDRAILS, parse
from policies.guardrails.guardrails import assess, e_value_of, shares
from policies.guardrails.observed import Observed, observed
from policies.guardrails.thresholds import arm_thresholds
from policies.rollout.shown import shown_in_words
from policies.statistics.restarts import slot

TURNS = parse("turns <= stable * 1.5")
AFTER = 2 * WINDOW_MINUTES


def arm(*lengths: int, slot_index: int = 0) -> ArmEvidence:
    """An arm whose conversations have these numbers of calls."""
    bad = {reached(mark): sum(length >= mark for length in lengths) for mark in (1, *MARKS)}
    bad[CALLS] = sum(min(length, MARKS[-1]) for length in lengths)
    return ArmEvidence(
        requests={slot_index: sum(lengths)},
        units=len(lengths),
        bad={name: {slot_index: count * WHOLE} for name, count in bad.items()},
        bad_units=bad,
    )


def test_turns_are_compared_with_stable_only() -> None:
    """A number of calls is no share; the message says how to write it."""
    assert TURNS.relative and TURNS.limit == 1.5 and TURNS.metric.unit == "calls"
    for text in ("turns <= 20%", "turns <= 5", "turns <= 3s"):
        with pytest.raises(ValueError, match=r"turns is compared with stable only: write 'turns <= stable \* 1.5'"):
            parse(text)


def test_turns_are_no_guardrail_by_default_and_change_no_share() -> None:
    """Whoever names them takes their part from the other behaviours."""
    defaults = tuple(map(parse, DEFAULT_GUARDRAILS))
    assert not any(text.startswith("turns") for text in DEFAULT_GUARDRAILS)
    named = shares((*defaults, TURNS))
    assert named["error_rate <= stable * 1.25"] == shares(defaults)["error_rate <= stable * 1.25"]
    assert named[TURNS.text] == named["empty <= stable * 1.5"] == pytest.approx(0.12 / 5)


def test_each_mark_is_an_event_once() -> None:
    """Of equal parts, over the conversations."""
    assert [(event.name, event.part) for event in TURNS.events] == [(reached(mark), 0.25) for mark in MARKS]
    assert TURNS.population == "conversations" and TURNS.tolerated == 1.5


def test_arms_count_turns_where_a_limit_watches_them() -> None:
    """A signal does, too."""
    assert arm_thresholds([TURNS], {}).has_turns
    assert not arm_thresholds(map(parse, DEFAULT_GUARDRAILS), {}).has_turns


def test_people_read_calls_of_a_conversation() -> None:
    """Of those whose time is over; nothing where there is none yet."""
    assert observed(TURNS, arm(1, 3, 40)) == Observed(20 / 3, None, 3)
    assert observed(TURNS, ArmEvidence(requests={0: 9})) == Observed(None, None, 0)
    shown = shown_in_words(TURNS, Evidence(0.1, arm(4, 6), arm(2, 2, 2)))
    assert shown == "calls of a conversation: canary 5 of 2 conversations, stable 2 of 3"
    nothing = shown_in_words(TURNS, Evidence(0.1, ArmEvidence(), ArmEvidence()))
    assert nothing == "calls of a conversation: canary 0 of 0 conversations, stable none of stable"


def test_what_is_under_way_is_left_out() -> None:
    """In all of a slot, where one of its windows is still open; other components stay."""
    late = arm(16, slot_index=slot(70))
    assert turns_of(resolved(late, 79))[1] == 0 and turns_of(resolved(late, 90))[1] == 1
    failing = replace(late, bad={**late.bad, "errors": {7: WHOLE}, f"{reached(2)}@c1": {slot(70): WHOLE}})
    found = resolved(failing, 79)
    assert found.bad["errors"] == {7: WHOLE} and not found.bad[f"{reached(2)}@c1"]
    assert found.bad_units[reached(2)] == found.bad_units[f"{reached(2)}@c1"] == 0
    plain = ArmEvidence(requests={0: 1})
    assert resolved(plain, 90) is plain


def test_longer_conversations_are_proven_and_few_are_not() -> None:
    """Also where all conversations have the first marks; an earlier step's are nobody's trials."""
    stable = arm(*[3] * 900, *[8] * 50)
    longer = Evidence(0.05, arm(*[16] * 20), stable, minute=AFTER)
    (finding,) = assess([TURNS], (), longer).findings
    assert finding.e_value > 100 and assess([TURNS], (), longer).proven is not None
    assert assess([TURNS], (), Evidence(0.05, arm(16, 16), arm(3, 3), minute=AFTER)).proven is None
    assert longer.canary.earlier_trials("conversations", 3) == {}


def test_a_party_alone_proves_nothing() -> None:
    """Its conversations are left out with what they have reached."""
    theirs = arm(*[3] * 20)
    mine = {f"{name}@c1": slots for name, slots in arm(*[16] * 20).bad.items()}
    bad = {name: {0: slots[0] + mine[f"{name}@c1"][0]} for name, slots in theirs.bad.items()}
    units = {name: slots[0] // WHOLE for name, slots in {**bad, **mine}.items()}
    canary = ArmEvidence({0: 400}, bad={**bad, **mine}, bad_units=units)
    evidence = Evidence(0.05, canary, arm(*[3] * 760), minute=AFTER, callers=2)
    (finding,) = assess([TURNS], (), evidence).findings
    assert finding.unbounded > 100 and finding.e_value < 10
    assert evidence.without("c1", TURNS.names).canary.trials("conversations") == {0: 20}
    assert evidence.for_names(TURNS.names).canary.bad[CONVERSATIONS] == {0: 40 * WHOLE}


def _conversations(chance: random.Random, pause: float, minutes: int) -> dict[str, Counter[int]]:
    """What an arm books: conversations of 6 calls in the mean, so many minutes apart, that begin all the time."""
    booked: dict[str, Counter[int]] = {}
    begin = chance.expovariate(2.0)
    while begin < minutes:
        window = int(begin // WINDOW_MINUTES)
        most = int(((window + 2) * WINDOW_MINUTES - begin) / pause) + 1
        length = 1
        while length < most and chance.random() < 5 / 6:
            length += 1
        for mark in (1, *MARKS):
            if length >= mark:
                booked.setdefault(reached(mark), Counter())[slot(window * WINDOW_MINUTES)] += WHOLE
        begin += chance.expovariate(2.0)
    return booked


def _highest(seed: int, pause: float) -> float:
    """The highest e-value that any look of two hours sees, at a weight of a half and with that pause on the canary."""
    chance, highest = random.Random(seed), 0.0
    canary, stable = (ArmEvidence(bad=_conversations(chance, each, 120)) for each in (pause, 0.25))
    for minute in range(120):
        looked = Evidence(0.5, resolved(canary, minute), resolved(stable, minute), minute=minute)
        highest = max(highest, e_value_of(TURNS, looked))
    return highest


@pytest.mark.parametrize("pause", [0.25, 0.1])
def test_a_fast_canary_is_not_blamed(pause: float) -> None:
    """Its conversations are as long as stable's, and reach each mark in two fifths of the time."""
    assert max(_highest(seed, pause) for seed in range(20)) < 10
