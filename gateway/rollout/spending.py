"""Cost of a call by version, caller, target and part: the answer, or what was spent beside it."""

from collections.abc import Iterable, Iterator

from gateway.calls import Attempt, Outcome, Spent
from gateway.rollout.weighing import unit_id
from gateway.store.cells import Spending
from gateway.store.costs import OTHER, SUMS

# Parts of the costs beside the attempts that were to answer a client.
FALLBACK, HEDGE, SHADOW, CANCELLED, JUDGE = "fallback", "hedge", "shadow", "cancelled", "judge"
OF_JUDGES = "/judge"  # in place of a version: what judges cost is no version's doing
_OF_CONVERSATION = "\0conversation\0"  # in a unit that is one (`routing.assignment`)


def spend(outcome: Outcome, version: str, spending: Spending) -> None:
    """Add what the call has cost. The call itself is counted with the attempt that answered it, or the last one.

    A model that is summed up with others has no name: clients invent those.
    """
    attempts, nano_usd = outcome.attempts, 0
    is_known = version != OTHER
    if not attempts:
        return
    answering = outcome.answering
    for attempt, part in _parts(outcome):
        key = version, outcome.caller, attempt.target if is_known else "", part
        row = spending.rows.get(key) or spending.row(key)
        row[0] += attempt is answering
        usage, cost = attempt.usage, attempt.cost_nano_usd
        if usage is None:
            nano_usd = -1 if attempt.failure is None else nano_usd
            continue
        row[1] += usage.input
        row[2] += usage.cached
        row[3] += usage.output
        row[4] += usage.reasoning
        row[7] += usage.estimated
        if cost is None:
            row[6] += 1
            nano_usd = -1
        else:
            row[5] += cost
            nano_usd += cost if nano_usd >= 0 else 0
    if nano_usd >= 0 and outcome.reason != "shadow" and (conversation := _conversation(outcome)):
        spending.add_conversation(version, conversation, nano_usd, outcome.call_id)


def spend_on_judge(target: str, nano_usd: int, spending: Spending) -> None:
    """Add what a judge's questions have cost. No call is counted, and no caller pays for them."""
    spending.row((OF_JUDGES, "", target, JUDGE))[SUMS.index("cost_nano_usd")] += nano_usd


def spend_alike(outcomes: list[Outcome], version: str, spent: Spent, spending: Spending) -> None:
    """Add what usual calls of one kind have cost, `spent` in all."""
    first = outcomes[0]
    row = spending.row((version, first.caller, first.attempts[0].target, _usual_part(first)))
    amounts = spent.input, spent.cached, spent.output, spent.reasoning, spent.cost_nano_usd
    for place, amount in enumerate((len(outcomes), *amounts)):
        row[place] += amount
    row[7] += len(outcomes) * spent.estimated
    if first.reason == "shadow":
        return
    for outcome in outcomes:
        if conversation := _conversation(outcome):
            nano_usd = outcome.attempts[0].cost_nano_usd or 0
            spending.add_conversation(version, conversation, nano_usd, outcome.call_id)


def _usual_part(outcome: Outcome) -> str:
    return SHADOW if outcome.reason == "shadow" else CANCELLED if outcome.end == "client_gone" else ""


def _parts(outcome: Outcome) -> Iterable[tuple[Attempt, str]]:
    """Return each attempt with the part of the costs that it belongs to."""
    usual, attempts = _usual_part(outcome), outcome.attempts
    return ((attempts[0], usual),) if len(attempts) == 1 else _parts_of_several(outcome, usual)


def _parts_of_several(outcome: Outcome, usual: str) -> Iterator[tuple[Attempt, str]]:
    attempts = outcome.attempts
    first = attempts[0].target
    beside = None if outcome.hedge is None else attempts[0 if outcome.hedge == "won" else 1]
    for attempt in attempts:
        if attempt is beside:
            yield attempt, HEDGE
        else:
            yield attempt, FALLBACK if not usual and attempt.target != first and outcome.fell_back else usual


def _conversation(outcome: Outcome) -> str:
    """Return what tells the call's conversation among its agent's, '' where it belongs to none."""
    if outcome.drawn:
        return outcome.drawn
    if _OF_CONVERSATION in outcome.unit:
        return unit_id(outcome.unit)
    return unit_id(f"{outcome.caller}{_OF_CONVERSATION}{outcome.conversation}") if outcome.conversation else ""
