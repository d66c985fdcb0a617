"""Sums over calls for their version's tally: of any call, and of many usual ones at once."""

from gateway.calls import UNANSWERED, Outcome, Spent, Usage
from gateway.rollout.weighing import cost_of, tokens_of
from policies.evidence.tally import Tally, amount_bucket, amount_buckets, histogram_bucket, histogram_buckets

_NO_USAGE = Usage()


def count_call(outcome: Outcome, spent: Spent, judged: bool, tally: Tally) -> None:
    """Add a call to its version's tally."""
    tally.requests += 1
    tally.input_tokens += spent.input
    tally.cached_tokens += spent.cached
    tally.output_tokens += spent.output
    tally.reasoning_tokens += spent.reasoning
    tally.cost_nano_usd += spent.cost_nano_usd
    tally.unpriced += spent.unpriced
    if outcome.end in ("answered", "escalated"):
        tally.latency[histogram_bucket(outcome.ended_at - outcome.received_at)] += 1
        if outcome.first_token_at is not None:
            tally.ttft[histogram_bucket(outcome.first_token_at - outcome.received_at)] += 1
    elif outcome.end in UNANSWERED:
        tally.unanswered += 1
    if outcome.failed:
        tally.errors += 1
        kind = outcome.attempts[0].failure or "status"
        tally.failures[kind] = tally.failures.get(kind, 0) + 1
    elif judged:
        if outcome.hedge is None or not outcome.overtaken:
            _count_amounts(outcome, tally)
    else:
        tally.unjudged += 1
    tally.units += outcome.begins
    tally.rejected += outcome.rejected
    tally.censored += outcome.censored
    tally.held += outcome.held
    if outcome.end == "escalated":
        tally.escalations += 1
    if len(outcome.attempts) > 1:
        tally.fallbacks += outcome.fell_back
    if outcome.hedge is not None:
        tally.hedges += 1
        tally.hedges_won += outcome.hedge == "won"


def _count_amounts(outcome: Outcome, tally: Tally) -> None:
    """Count what a good call took, for the distribution from which a step's caps are frozen."""
    if (cost := cost_of(outcome)) is not None:
        tally.cost[amount_bucket(cost)] += 1
    if (tokens := tokens_of(outcome)) is not None:
        tally.tokens[amount_bucket(tokens)] += 1


def spent_by(outcomes: list[Outcome]) -> Spent:
    """Return what usual calls of one kind have spent together."""
    attempts = [outcome.attempts[0] for outcome in outcomes]
    usages = [attempt.usage or _NO_USAGE for attempt in attempts]
    return Spent(
        sum([usage.input for usage in usages]),
        sum([usage.cached for usage in usages]),
        sum([usage.output for usage in usages]),
        sum([usage.reasoning for usage in usages]),
        sum([attempt.cost_nano_usd or 0 for attempt in attempts]),
        estimated=usages[0].estimated,
    )


def add_up(outcomes: list[Outcome], spent: Spent, tally: Tally) -> None:
    """Add usual calls of one kind to their version's tally."""
    first, count = outcomes[0], len(outcomes)
    tally.requests += count
    tally.censored += count * first.censored
    tally.held += count * first.held
    tally.units += sum([outcome.begins for outcome in outcomes])
    tally.input_tokens += spent.input
    tally.cached_tokens += spent.cached
    tally.output_tokens += spent.output
    tally.reasoning_tokens += spent.reasoning
    tally.cost_nano_usd += spent.cost_nano_usd
    tally.latency.update(histogram_buckets([outcome.ended_at - outcome.received_at for outcome in outcomes]))
    waits = [each.first_token_at - each.received_at for each in outcomes if each.first_token_at is not None]
    tally.ttft.update(histogram_buckets(waits))
    tally.cost.update(amount_buckets([cost_of(outcome) or 0 for outcome in outcomes]))
    tally.tokens.update(amount_buckets([tokens_of(outcome) or 0 for outcome in outcomes]))
