"""Build the view of costs from the days that the store keeps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gateway.history.comparison import comparison_view
from gateway.history.costs_view import (
    ConversationCostView,
    CostRowView,
    CostsView,
    DearConversationView,
    ProjectionView,
)
from gateway.history.forecast import mean_usd, month_total, quantile_usd
from gateway.history.view import TokenSums
from gateway.store.cells import CostRow
from gateway.store.costs import DAY_SECONDS, OTHER, SUMS, ConversationCosts, DayCosts
from gateway.views import timestamp

BY = ("agent", "version", "key", "model", "day")  # what rows may be by
DAYS_OF_PROJECTION = 28
MOST_DEAREST = 20
_PARTS = ("fallback", "hedge", "shadow", "cancelled", "judge")
_COST = SUMS.index("cost_nano_usd")
_NANO = 1e9
_DIGITS = 9
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class AgentCosts:
    """An agent's days, and the versions that its rollout compares; None without a canary."""

    agent: str
    days: Sequence[DayCosts]
    compared: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class CostQuestion:
    """The days that are asked for, since 1970, what rows are by, and whose calls alone are shown, if not all."""

    first: int
    last: int
    now: float
    by: tuple[str, ...]
    caller: str | None = None


def costs_view(agents: Sequence[AgentCosts], question: CostQuestion) -> CostsView:
    """Return what these agents' calls have cost. A key that asks for its own is shown its own rows alone."""
    rows: dict[tuple[str | None, ...], _Sums] = {}
    total = _Sums()
    for each in agents:
        for day in each.days:
            if question.first <= day.day <= question.last:
                for key, part, amounts in _amounts(each.agent, day, question):
                    rows.setdefault(key, _Sums()).add(part, amounts)
                    total.add(part, amounts)
    ordered = sorted(rows.items(), key=lambda row: (row[0][4] or "", -row[1].nano_usd, row[0][:4]))
    shown = [] if question.caller is not None else [(each, _within(each, question)) for each in agents]
    return CostsView(
        now=timestamp(question.now),
        since=str(date_of(question.first)),
        until=str(date_of(question.last)),
        by=question.by,
        rows=tuple(sums.view(key) for key, sums in ordered),
        total=total.view((None,) * len(BY)),
        projection=_projection(agents, question),
        conversations=tuple(view for each, days in shown for view in _conversations(each.agent, days)),
        dearest=_dearest([(each.agent, day) for each, days in shown for day in days]),
        comparisons=tuple(
            comparison_view(each.agent, *each.compared, days, question.now) for each, days in shown if each.compared
        ),
    )


def date_of(day: int) -> date:
    """Return the date of a day since 1970."""
    return _EPOCH + timedelta(days=day)


class _Sums:
    """The sums of a row, and its cost by part."""

    __slots__ = ("parts", "sums")

    def __init__(self) -> None:
        self.sums = [0] * len(SUMS)
        self.parts = dict.fromkeys(_PARTS, 0)

    @property
    def nano_usd(self) -> int:
        return self.sums[_COST]

    def add(self, part: str, amounts: Sequence[int]) -> None:
        for place, amount in enumerate(amounts):
            self.sums[place] += amount
        if part in self.parts:
            self.parts[part] += amounts[_COST]

    def view(self, names: Sequence[str | None]) -> CostRowView:
        calls, given, cached, output, reasoning, nano_usd, unpriced, estimated = self.sums
        agent, version, key, model, day = names
        return CostRowView(
            agent=agent,
            version=version,
            key=key,
            model=model,
            day=day,
            calls=calls,
            tokens=TokenSums(given, output, cached, reasoning),
            cost_usd=nano_usd / _NANO,
            cost_per_call_usd=round(nano_usd / _NANO / calls, _DIGITS) if calls else None,
            unpriced=unpriced,
            estimated=estimated,
            **{f"{part}_usd": nano / _NANO for part, nano in self.parts.items()},
        )


def _amounts(
    agent: str, day: DayCosts, question: CostQuestion
) -> Iterator[tuple[tuple[str | None, ...], str, Sequence[int]]]:
    """Yield each row of a day with its names in the order of `BY`, None where rows are not by them, and its part."""
    for row, amounts in day.rows.items():
        version, caller, target, part = row
        if question.caller is None or caller == question.caller:
            name, model = ("other", target or "other") if version == OTHER else (version, target)
            names = (agent, name, caller, model, str(date_of(day.day)))
            yield tuple(n if by in question.by else None for by, n in zip(BY, names, strict=True)), part, amounts


def _within(costs: AgentCosts, question: CostQuestion) -> list[DayCosts]:
    return [day for day in costs.days if question.first <= day.day <= question.last]


def _conversations(agent: str, days: Iterable[DayCosts]) -> Iterator[ConversationCostView]:
    found: dict[str, ConversationCosts] = {}
    for day in days:
        for version, costs in day.conversations.items():
            found.setdefault(version, ConversationCosts()).merge(costs)
    for version, costs in sorted(found.items()):
        if costs.count:
            p95 = quantile_usd(costs, 0.95)
            mean = round(mean_usd(costs), _DIGITS)
            yield ConversationCostView(agent, version, costs.count, mean, None if p95 is None else round(p95, _DIGITS))


def _dearest(days: Iterable[tuple[str, DayCosts]]) -> tuple[DearConversationView, ...]:
    """Return the dearest conversations; one of several days is shown once, with all that it has cost by the last."""
    latest: dict[tuple[str, str, str], DearConversationView] = {}
    for agent, day in sorted(days, key=_day_of):
        for each in day.top:
            view = DearConversationView(agent, each.version, str(date_of(day.day)), each.nano_usd / _NANO, each.call_id)
            latest[agent, each.version, each.conversation] = view
    return tuple(sorted(latest.values(), key=_cost_of, reverse=True)[:MOST_DEAREST])


def _day_of(found: tuple[str, DayCosts]) -> int:
    return found[1].day


def _cost_of(conversation: DearConversationView) -> float:
    return conversation.cost_usd


def _projection(agents: Iterable[AgentCosts], question: CostQuestion) -> ProjectionView:
    """Return what the running month has cost, and what it will have."""
    today = int(question.now // DAY_SECONDS)
    by_day: dict[int, float] = {}
    for each in agents:
        for day in each.days:
            by_day[day.day] = by_day.get(day.day, 0.0) + _usd(day.rows, question.caller)
    now = datetime.fromtimestamp(question.now, UTC)
    first = today - now.day + 1
    following = (now.replace(day=1) + timedelta(days=32)).replace(day=1)
    days_left = (following.date() - now.date()).days - 1
    begun = min((day for day in by_day if day > today - DAYS_OF_PROJECTION), default=today)
    whole = [by_day.get(day, 0.0) for day in range(max(begun, today - DAYS_OF_PROJECTION), today)]
    before = sum(usd for day, usd in by_day.items() if first <= day < today)
    total = month_total(before, by_day.get(today, 0.0), whole, days_left)
    spent = round(before + by_day.get(today, 0.0), _DIGITS)
    month = f"{now:%Y-%m}"
    if total is None:
        return ProjectionView(month, spent, None, None, None, len(whole))
    return ProjectionView(month, spent, round(total.value, 6), round(total.low, 6), round(total.high, 6), len(whole))


def _usd(rows: Mapping[CostRow, Sequence[int]], caller: str | None) -> float:
    return sum(amounts[_COST] for row, amounts in rows.items() if caller in (None, row[1])) / _NANO
