"""The tree of frozen values behind `/costs`.

The members of these classes are the members of the JSON. Days and months are UTC, money US dollars; None where nothing
is known, or a row sums up over it.
"""

from dataclasses import dataclass

from gateway.history.view import TokenSums


@dataclass(frozen=True, slots=True)
class CostRowView:
    """The costs of the calls that agree in what the rows are by; None in the other names.

    `fallback_usd`, `hedge_usd`, `shadow_usd`, `cancelled_usd` and `judge_usd` are parts of `cost_usd`: attempts at
    other targets, of hedges that lost, of copies, of calls whose client left, and questions to judges. `unpriced`
    attempts are missing from the cost, and of `estimated` ones no provider has said the tokens.
    """

    agent: str | None
    version: str | None
    key: str | None
    model: str | None
    day: str | None
    calls: int
    tokens: TokenSums
    cost_usd: float
    cost_per_call_usd: float | None
    fallback_usd: float
    hedge_usd: float
    shadow_usd: float
    cancelled_usd: float
    unpriced: int
    estimated: int
    judge_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class ConversationCostView:
    """The costs of a version's conversations."""

    agent: str
    version: str
    conversations: int
    mean_usd: float
    p95_usd: float | None


@dataclass(frozen=True, slots=True)
class DearConversationView:
    """Conversation that is among the dearest. Its latest call's id leads to all of it."""

    agent: str
    version: str
    day: str
    cost_usd: float
    call_id: str


@dataclass(frozen=True, slots=True)
class ComparisonView:
    """The cost of a canary's conversations against stable's, over the days on which both served.

    `change` is relative (-0.38: 38 % cheaper), with its 95 % interval. `monthly_usd` is what a month of all
    conversations would cost more on the canary. All of these are None where there is too little data.
    """

    agent: str
    stable: str
    canary: str
    change: float | None
    change_low: float | None
    change_high: float | None
    monthly_usd: float | None
    monthly_low_usd: float | None
    monthly_high_usd: float | None
    sentence: str


@dataclass(frozen=True, slots=True)
class ProjectionView:
    """The costs of the running month: what is spent, and what is expected by its end, with a 95 % interval.

    Nothing is expected from fewer than 7 whole days; `days` is how many there were of the last 28.
    """

    month: str
    spent_usd: float
    expected_usd: float | None
    low_usd: float | None
    high_usd: float | None
    days: int


@dataclass(frozen=True, slots=True)
class CostsView:
    """The answer of `/costs`. For a key that is not the operator's only `rows`, `total` and `projection` are filled."""

    now: str
    since: str
    until: str
    by: tuple[str, ...]
    rows: tuple[CostRowView, ...]
    total: CostRowView
    projection: ProjectionView
    conversations: tuple[ConversationCostView, ...] = ()
    dearest: tuple[DearConversationView, ...] = ()
    comparisons: tuple[ComparisonView, ...] = ()
