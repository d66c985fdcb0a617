"""What metrics count of finished calls: every call once, under names of the configuration alone, and bounded."""

import dataclasses
from typing import Any

import pytest

from gateway.calls import Attempt, Call, Caller, Outcome, Usage
from gateway.json_body import Document
from gateway.telemetry import call_counts
from gateway.telemetry.call_counts import CallCounts, KnownTargets
from gateway.telemetry.families import (
    ATTEMPTS,
    CALLS,
    COST,
    COUNTED,
    DECISIONS,
    DURATION,
    FALLBACKS,
    FIRST_TOKEN,
    OVERHEAD,
    SCORES,
    TOKEN_USAGE,
    UNPRICED,
    MetricFamily,
)
from tests.support.trials import outcome

SPLIT = ("a", "v1", "stable")
AT = (*SPLIT, "chat", "openai", "m", "p")
KNOWN = KnownTargets(frozenset({"p/m", "p/other-one"}), {"p": "openai"})


def call(**more: Any) -> Call:
    """A client's call of chat completions."""
    given = {"format": "openai_chat", **more}
    return Call("c", Caller("k", "default"), "a", None, Document({}, {}), False, False, [], "", 0.0, **given)


def attempt(**more: Any) -> Attempt:
    """A good attempt of 30 ms, that took 5 and 20 tokens and cost 7 nano-dollars."""
    good = Attempt("p/m", 100.0, 100.03, status=200, usage=Usage(5, 0, 20), cost_nano_usd=7)
    return dataclasses.replace(good, **more)


def ended(*attempts: Attempt, **more: Any) -> Outcome:
    """A call of stable that took 32 ms in all."""
    made = outcome("stable", *(attempts or (attempt(),)))
    return dataclasses.replace(made, received_at=100.0, ended_at=100.032, **more)


def counted(*outcomes: Outcome, model: str = "v1", **of_call: Any) -> CallCounts:
    """What these calls come to."""
    counts = CallCounts()
    counts.follow(KNOWN)
    for each in outcomes:
        counts.count(each, call(**of_call), model)
    return counts


def value(counts: CallCounts, family: MetricFamily, *labels: str) -> float:
    """The value of a counter; 0 for one that is not there."""
    return counts.samples()[family.name].get(labels, [0])[0]


def test_an_answered_call_is_counted_once_in_each_family() -> None:
    """One call, one attempt, its time, tokens, cost, and the gateway's own part."""
    counts = counted(ended())
    assert value(counts, CALLS, *SPLIT, "web", "openai_chat", "answered") == 1
    assert value(counts, ATTEMPTS, *SPLIT, "p", "m", "") == 1
    assert value(counts, COST, *SPLIT, "web", "p", "m") == 7
    samples = counts.samples()
    durations = samples[DURATION.name][*AT, ""]
    assert durations[2] == 1 and durations[-1] == pytest.approx(0.03)
    assert samples[TOKEN_USAGE.name][*AT, "input"][2] == 1 and samples[TOKEN_USAGE.name][*AT, "output"][-1] == 20
    assert samples[OVERHEAD.name]["openai_chat",][3] == 1
    assert (
        not samples[UNPRICED.name].keys() - {("a", "v1", "p", "m")}
        and value(counts, UNPRICED, "a", "v1", "p", "m") == 0
    )


def test_many_calls_are_counted_as_each_by_itself() -> None:
    """What waits to be counted together is neither lost nor counted twice, however often somebody asks."""
    counts = CallCounts()
    for number in range(1000):
        counts.count(ended(), call(), "v1")
        if number % 300 == 0:
            counts.samples()
    assert value(counts, CALLS, *SPLIT, "web", "openai_chat", "answered") == 1000
    assert sum(counts.samples()[DURATION.name][*SPLIT, "chat", "p", "m", "p", ""][:-1]) == 1000
    assert value(counts, COST, *SPLIT, "web", "p", "m") == 7000


def test_the_bounds_of_a_bucket_belong_to_it() -> None:
    """A value on the boundary is in the lower bucket, one beyond the last in the endless one."""
    usages = [Usage(tokens, 0, 0) for tokens in (0, 1, 2, 4, 5, 10**9)]
    counts = counted(*(ended(attempt(usage=usage)) for usage in usages))
    assert counts.samples()[TOKEN_USAGE.name][*AT, "input"][:3] == [2, 2, 1]
    assert counts.samples()[TOKEN_USAGE.name][*AT, "input"][-2:] == [1, 10**9 + 12]


def test_a_fallback_is_counted_with_what_led_to_it() -> None:
    """Both attempts at their own targets, the way between them, and one call."""
    failed = attempt(failure="status", status=503, usage=None, cost_nano_usd=None)
    counts = counted(ended(failed, attempt(target="p/other-one")))
    assert value(counts, FALLBACKS, "a", "p/m", "p/other-one", "status") == 1
    assert value(counts, ATTEMPTS, *SPLIT, "p", "m", "status") == 1
    assert value(counts, ATTEMPTS, *SPLIT, "p", "other-one", "") == 1
    assert value(counts, CALLS, *SPLIT, "web", "openai_chat", "answered") == 1


def test_a_retry_and_a_lost_hedge_are_no_fallbacks() -> None:
    """Another try at the same target is none, nor is a second attempt whose first was only late."""
    again = ended(attempt(failure="status"), attempt())
    hedged = ended(attempt(failure="overtaken"), attempt(target="p/other-one"))
    assert not counted(again, hedged).samples()[FALLBACKS.name]


def test_an_attempt_that_was_never_sent_has_no_duration() -> None:
    """An open circuit refuses at once: that is an attempt, but no operation of the provider's."""
    counts = counted(ended(attempt(failure="circuit_open", usage=None), attempt(target="p/other-one")))
    assert value(counts, ATTEMPTS, *SPLIT, "p", "m", "circuit_open") == 1
    assert {labels[5] for labels in counts.samples()[DURATION.name]} == {"other-one"}


def test_a_call_without_attempts_is_a_call() -> None:
    """Refused before any target was asked."""
    refused = dataclasses.replace(ended(), attempts=[], end="refused")
    assert value(counted(refused), CALLS, *SPLIT, "web", "openai_chat", "refused") == 1


def test_a_stream_has_its_first_token() -> None:
    """From the request to the first token, by arm and format."""
    counts = counted(ended(first_token_at=100.05, stream=True))
    assert sum(counts.samples()[FIRST_TOKEN.name][*SPLIT, "openai_chat"][:-1]) == 1


@pytest.mark.parametrize("streams", [(False, True, True), (True, False, True)])
def test_streams_among_whole_answers_have_their_first_tokens(streams: tuple[bool, ...]) -> None:
    """Calls that are counted together need not all be streams."""
    counts = counted(*(ended(first_token_at=100.05 if stream else None, stream=stream) for stream in streams))
    assert sum(counts.samples()[FIRST_TOKEN.name][*SPLIT, "openai_chat"][:-1]) == 2


def test_a_target_without_a_price_is_told() -> None:
    """Its tokens are known, its cost is not."""
    counts = counted(ended(attempt(cost_nano_usd=None)), ended())
    assert value(counts, UNPRICED, "a", "v1", "p", "m") == 1 and value(counts, COST, *SPLIT, "web", "p", "m") == 7


def test_pins_and_copies_stand_apart_from_the_arms() -> None:
    """As in the history: what the split did not choose distorts no curve of an arm."""
    apart = [dataclasses.replace(ended(), arm=None, reason=reason) for reason in ("pin", "rule", "passed", "shadow")]
    calls = counted(*apart).samples()[CALLS.name]
    assert {labels[2]: values for labels, values in calls.items()} == {"apart": [3], "shadow": [1]}


def plain(target: str) -> Outcome:
    return dataclasses.replace(ended(attempt(target=target)), agent="/models", version=target, arm=None, reason="model")


def test_a_plain_models_name_is_bounded() -> None:
    """Clients write it: one that was never heard of is `other`, one that has answered or stands in the files is not."""
    counts = counted(plain("p/made-up"), model="/other")
    counts.count(plain("p/m"), call(), "/other")
    counts.count(plain("p/answers"), call(), "p/answers")
    labels = set(counts.samples()[ATTEMPTS.name])
    assert labels == {("", "", "", "p", model, "") for model in ("other", "m", "answers")}


def test_series_are_bounded() -> None:
    """However many agents come and go, a family keeps so many series and counts the rest together."""
    outcomes = [dataclasses.replace(ended(), agent=f"agent-{number}") for number in range(2_500)]
    counts = counted(*outcomes)
    durations = counts.samples()[DURATION.name]
    assert len(durations) == call_counts.MOST_SERIES["histogram"] + 1
    assert sum(sum(values[:-1]) for values in durations.values()) == 2_500


def test_scores_and_decisions() -> None:
    """Each is counted where it was taken or made."""
    counts = CallCounts()
    counts.score("a", "v1", "stable")
    counts.decide("a", "roll_back")
    assert value(counts, SCORES, *SPLIT) == 1 and value(counts, DECISIONS, "a", "roll_back") == 1


def test_a_clock_that_was_set_back_lowers_no_sum() -> None:
    """Sums of counters never fall, whatever times an attempt has."""
    counts = counted(ended(attempt(ended_at=0.0)))
    assert all(min(values) >= 0 for name in COUNTED for values in counts.samples()[name.name].values())


def test_what_a_caller_reads_is_a_copy() -> None:
    """Calls that end later do not change what somebody is about to write."""
    counts = counted(ended())
    samples = counts.samples()
    counts.count(ended(), call(), "v1")
    counts.samples()
    assert samples[CALLS.name][*SPLIT, "web", "openai_chat", "answered"] == [1]
