"""Limits that do not do what they seem to do, and keys that end: what `serinus check` says of them."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from itertools import permutations
from typing import Final

from gateway.calls import Usage
from gateway.config import Deployment
from gateway.limits.ledger import Limit
from gateway.limits.limit_words import amount_in_words
from gateway.limits.rules import NANO, RuleBook, Rules
from gateway.limits.windows import Window
from gateway.pricing.pricelist import PriceList, PriceListFailed
from gateway.replica.wiring import prices
from routing.agents import Agent
from routing.chain import Target

_DAY: Final = 24 * 3600.0
_CALENDAR_SECONDS: Final = {"day": _DAY, "week": 7 * _DAY, "month": 31 * _DAY}
_SOON: Final = timedelta(days=14)
_SHOWN: Final = 5


def limit_warnings(deployment: Deployment, today: date) -> Iterator[str]:
    """Yield one sentence for each limit or key that somebody should look at."""
    book = RuleBook.of(deployment)
    for rules in _all(book):
        yield from _slack_windows(rules)
        yield from _too_small(rules)
        yield from _beyond_the_gateways(rules, deployment.settings.limits.in_flight)
    yield from _slack_levels(deployment, book)
    yield from _keys(deployment, today)


def unpriced_budgets(deployment: Deployment, now: float) -> Iterator[str]:
    """Yield one sentence for each budget that meets models without a known price at that time, in Unix seconds."""
    met = {_holder(rules): (rules, targets) for rules, targets in _budgets(deployment) if targets}
    if not met:
        return
    pricebook = prices(deployment.settings, PriceList())
    try:
        pricebook.learn({target for _, targets in met.values() for target in targets})
    except PriceListFailed:
        return
    for holder, (rules, targets) in met.items():
        unknown = [each for each in sorted(targets) if pricebook.cost(each, Usage(1, output=1), now) is None]
        if unknown:
            names = ", ".join(unknown[:_SHOWN]) + (" and others" if len(unknown) > _SHOWN else "")
            yield f"the budget of {holder}: no known price of {names}, so {_fate(rules)}; add it to `prices`"


def _fate(rules: Rules) -> str:
    if rules.level == "canary":
        return "its calls count as nothing, and the canary is never paused"
    if rules.refuses_unpriced:
        return "its calls are refused (`unpriced: refuse`)"
    bounds = "" if any(limit.kind == "tokens" for limit in rules.limits) else ", and nothing bounds them"
    return f"its calls are left out (`unpriced: count_tokens`){bounds}"


def _all(book: RuleBook) -> Iterator[Rules]:
    for level in (book.keys, book.groups, book.agents, book.canaries, book.conversations):
        yield from level.values()
    if book.users is not None:
        yield book.users


def _holder(rules: Rules) -> str:
    names = {"conversation": "each conversation", "user": "each end user"}
    return names.get(rules.level, f"{rules.level} {rules.name}")


def _slack_windows(rules: Rules) -> Iterator[str]:
    """Yield budgets that another one of the same holder always reaches first."""
    for one, other in permutations(rules.limits, 2):
        if one.kind == other.kind and _is_within(one, other):
            words = f"{amount_in_words(one.kind, _shown(one))} in {one.window.text}"
            whole = f"{amount_in_words(other.kind, _shown(other))} in {other.window.text}"
            yield f"limits of {_holder(rules)}: {words} can never be reached, because of {whole}"


def _is_within(one: Limit, other: Limit) -> bool:
    """Return whether all of one's windows are covered by so few of the other's that these allow no more."""
    short, long = _seconds(one.window), _seconds(other.window)
    if short >= long:
        return False
    is_nested = other.window.calendar is None or (one.window.calendar == "day" and one.window.zone == other.window.zone)
    return one.amount >= other.amount * (1 if is_nested else 2)


def _seconds(window: Window) -> float:
    return _CALENDAR_SECONDS[window.calendar] if window.calendar else window.seconds


def _shown(limit: Limit) -> float:
    return limit.amount / NANO if limit.kind == "usd" else limit.amount


def _too_small(rules: Rules) -> Iterator[str]:
    """Yield limits on tokens that refuse every call which names no longest answer."""
    for limit in rules.limits:
        if limit.kind == "tokens" and limit.amount <= rules.assume_output:
            reserved = f"a call without `max_tokens` reserves {rules.assume_output:,} tokens"
            whole = f"more than the {limit.amount:,} in {limit.window.text}, and is always refused"
            yield f"limits of {_holder(rules)}: {reserved}, {whole}; lower `assume_output`"


def _beyond_the_gateways(rules: Rules, most: int) -> Iterator[str]:
    if rules.in_flight is not None and rules.in_flight > most:
        name, own = _holder(rules), f"{rules.in_flight:,}"
        yield f"limits of {name}: {own} calls in flight can never be reached, because the gateway takes {most:,}"


def _slack_levels(deployment: Deployment, book: RuleBook) -> Iterator[str]:
    """Yield limits that are not below those which every one of their calls falls under as well."""
    pairs: list[tuple[Rules, Rules | None]] = [
        (rules, book.groups.get(deployment.settings.keys[name].group)) for name, rules in book.keys.items()
    ]
    for part in (book.conversations, book.canaries):
        pairs += [(rules, book.agents.get(name)) for name, rules in part.items()]
    for inner, outer in pairs:
        if outer is not None:
            yield from _slack_within(inner, outer)


def _slack_within(inner: Rules, outer: Rules) -> Iterator[str]:
    whole = _holder(outer)
    outside = {(limit.kind, limit.window): limit.amount for limit in outer.limits}
    for limit in inner.limits:
        most = outside.get((limit.kind, limit.window))
        if most is not None and limit.amount > most:
            words = f"{amount_in_words(limit.kind, _shown(limit))} in {limit.window.text}"
            yield f"limits of {_holder(inner)}: {words} can never be reached, because {whole} may use less"
    if inner.in_flight is not None and outer.in_flight is not None and inner.in_flight > outer.in_flight:
        yield f"limits of {_holder(inner)}: its calls in flight can never be as many, because {whole} may have fewer"


def _keys(deployment: Deployment, today: date) -> Iterator[str]:
    for name, key in deployment.settings.keys.items():
        if key.agents == () and not key.models and not key.reviews:
            yield f"key {name} names no agent (`agents: []`), so it may call and review nothing"
        if key.expires is not None and key.expires <= today:
            yield f"key {name} has expired on {key.expires}, and is refused; remove it, or rotate it"
        elif key.expires is not None and key.expires <= today + _SOON:
            yield f"key {name} expires on {key.expires}: 'serinus keys rotate {name}', and a later `expires`"


def _budgets(deployment: Deployment) -> Iterator[tuple[Rules, set[str]]]:
    """Yield the rules that hold a budget, with the targets that calls under it may go to."""
    book, agents, keys = RuleBook.of(deployment), deployment.agents, deployment.settings.keys
    of_key = {name: _targets(agents.values(), key.agents_in_scope) for name, key in keys.items()}
    of_group: dict[str, set[str]] = {}
    for name, key in keys.items():
        of_group.setdefault(key.group, set()).update(of_key[name])
    found = [
        *((rules, of_key[name]) for name, rules in book.keys.items()),
        *((rules, of_group.get(name, set())) for name, rules in book.groups.items()),
        *((rules, _targets((agents[name],), None)) for name, rules in book.agents.items()),
        *((rules, {_canary_target(agents[name])}) for name, rules in book.canaries.items()),
    ]
    yield from ((rules, targets) for rules, targets in found if any(each.kind == "usd" for each in rules.limits))


def _targets(agents: Iterable[Agent], scope: tuple[str, ...] | None) -> set[str]:
    """Return the targets of the agents in the scope that calls may go to: of their versions, and fallbacks."""
    chosen = [agent for agent in agents if scope is None or agent.name in scope]
    targets = [version.target for agent in chosen for version in agent.versions.values()]
    return {str(each) for each in targets} | {
        str(each) for agent in chosen for each in agent.fallback if isinstance(each, Target)
    }


def _canary_target(agent: Agent) -> str:
    return str(agent.versions[agent.canary or agent.stable].target)
