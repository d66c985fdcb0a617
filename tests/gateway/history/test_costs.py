"""The view of costs: rows by whatever is asked for, the month, the dearest conversations, the sentence of a rollout."""

import pytest

from gateway.history.costs import AgentCosts, CostQuestion, costs_view
from gateway.history.costs_view import CostsView
from gateway.store.cells import CostRow
from gateway.store.costs import DAY_SECONDS, ConversationCosts, DayCosts, DearConversation
from tests.support.cost_days import NOW, TODAY, amounts

BY = ("version",)
LESS = "\N{MINUS SIGN}"


def day(number: int, **versions: int) -> DayCosts:
    """A day on which one call of each version has cost so many nano-USD."""
    return DayCosts(number, {(name, "web", "p/m", ""): amounts(1, nano) for name, nano in versions.items()}, {})


def view(*days: DayCosts, by: tuple[str, ...] = BY, caller: str | None = None, first: int = TODAY - 29) -> CostsView:
    costs = AgentCosts("support", days, ("v1", "v2"))
    return costs_view([costs], CostQuestion(first, TODAY, NOW, by, caller))


def spread(count: int, mean_usd: float) -> ConversationCosts:
    """So many conversations whose costs lie around that mean."""
    found = ConversationCosts()
    for number in range(count):
        nano = (0.5 + (number + 0.5) / count) * mean_usd * 1e9
        found.merge(ConversationCosts(1, nano, (nano / 1000) ** 2, {100: 1}))
    return found


def test_rows_are_by_what_is_asked_for() -> None:
    """All else is summed up, and None; the dearest row comes first, days in their order; the total is that of all."""
    days = (day(TODAY - 1, v1=5, v2=9), day(TODAY, v1=7))
    assert [(row.version, row.calls, row.cost_usd, row.agent) for row in view(*days).rows] == [
        ("v1", 2, 12e-9, None), ("v2", 1, 9e-9, None),
    ]  # fmt: skip
    by_day = view(*days, by=("day", "agent")).rows
    assert [(row.day, row.agent, row.cost_usd) for row in by_day] == [
        ("2030-03-26", "support", 14e-9), ("2030-03-27", "support", 7e-9),
    ]  # fmt: skip
    assert view(*days).total.cost_usd == 21e-9 and view(*days).total.tokens.input == 30
    assert view(*days, by=()).rows == (view(*days).total,)
    assert view(*days, first=TODAY).total.cost_usd == 7e-9


def test_parts_are_parts_of_the_cost() -> None:
    """What was spent beside an answer; what is too much to be told apart is `other`."""
    rows: dict[CostRow, list[int]] = {
        ("v1", "web", "p/m", part): amounts(1, nano)
        for part, nano in (("", 1), ("fallback", 20), ("hedge", 300), ("shadow", 4000), ("cancelled", 50_000))
    }
    rows["/other", "", "", ""] = amounts(3, 600_000)
    v, other = sorted(view(DayCosts(TODAY, rows, {})).rows, key=lambda row: row.version != "v1")
    assert (v.fallback_usd, v.hedge_usd, v.shadow_usd, v.cancelled_usd) == (20e-9, 300e-9, 4000e-9, 50_000e-9)
    assert v.cost_usd == pytest.approx(54_321e-9) and v.cost_per_call_usd == pytest.approx(54_321e-9 / 5, abs=1e-9)
    assert (other.version, other.calls) == ("other", 3)


def test_a_key_is_told_of_its_own_calls_alone() -> None:
    """No other key's costs, and nothing that they are a part of."""
    rows = {("v1", "web", "p/m", ""): amounts(1, 5), ("v1", "other", "p/m", ""): amounts(1, 70)}
    top = [DearConversation("c", "v1", 70, "call")]
    found = view(DayCosts(TODAY, rows, {"v1": spread(100, 1.0)}, top), by=("key",), caller="web")
    assert [(row.key, row.cost_usd) for row in found.rows] == [("web", 5e-9)] and found.total.cost_usd == 5e-9
    assert found.projection.spent_usd == 5e-9
    assert not (found.conversations or found.dearest or found.comparisons)


def test_the_month_is_projected_from_whole_days() -> None:
    """Also from those before it; a day without a call costs nothing."""
    usd = 1_000_000_000
    assert view(*(day(TODAY - back, v1=usd) for back in range(7))).projection.expected_usd is None
    found = view(*(day(TODAY - back, v1=usd) for back in range(15))).projection
    assert (found.month, found.spent_usd, found.days) == ("2030-03", 15.0, 14)  # the 27th: the 13th to today
    assert found.expected_usd == 15.0 + 4 and found.low_usd == found.high_usd == 19.0
    sparse = view(day(TODAY - 10, v1=usd)).projection
    assert sparse.days == 10 and sparse.expected_usd == pytest.approx(1.0 + 0.1 * 5)


def test_the_dearest_conversations_are_told_once() -> None:
    """With what they have cost by their last day; the call's id leads to the rest."""
    first = [DearConversation("c", "v1", 2_000_000_000, "call 1"), DearConversation("d", "v1", 3_000_000_000, "call 2")]
    days = (
        DayCosts(TODAY, {}, {}, [DearConversation("c", "v1", 5_000_000_000, "call 3")]),
        DayCosts(TODAY - 1, {}, {}, first),
    )
    assert [(each.call_id, each.cost_usd) for each in view(*days).dearest] == [("call 3", 5.0), ("call 2", 3.0)]


def test_the_sentence_that_ends_a_meeting() -> None:
    """What a conversation costs on the canary against stable, and what that makes in a month of the agent's traffic."""
    days = [DayCosts(TODAY - back, {}, {"v1": spread(150, 0.05), "v2": spread(50, 0.031)}) for back in range(11)]
    (found,) = view(*days).comparisons
    assert found.change == pytest.approx(-0.38, abs=0.03)
    assert found.monthly_usd == pytest.approx(200 * 30.44 * -0.019, rel=0.08)
    assert found.sentence.startswith(f"v2 against v1: {LESS}38 % ({LESS}")
    assert f" a conversation; at full weight {LESS}$1" in found.sentence
    assert found.sentence.endswith(") a month")
    assert [(each.version, each.conversations) for each in view(*days).conversations] == [("v1", 1650), ("v2", 550)]


def test_what_is_not_shown_is_not_claimed() -> None:
    """Too few conversations, or an interval with nothing in it; days on which one version alone served say nothing."""
    alone = [DayCosts(TODAY - 3, {}, {"v1": spread(900, 0.05)}), DayCosts(TODAY - 2, {}, {"v2": spread(900, 0.01)})]
    few = view(*alone, DayCosts(TODAY - 1, {}, {"v1": spread(100, 0.05), "v2": spread(12, 0.05)})).comparisons[0]
    assert (
        few.change is few.monthly_usd is None and "12 and 100 on the same days; 50 of each are needed" in few.sentence
    )
    alike = view(DayCosts(TODAY, {}, {"v1": spread(300, 0.05), "v2": spread(301, 0.05)})).comparisons[0]
    assert alike.sentence.endswith("a conversation; no difference is shown") and alike.monthly_usd is None


def test_now_is_a_day() -> None:
    """The times of these tests are of one day."""
    assert int(NOW // DAY_SECONDS) == TODAY
