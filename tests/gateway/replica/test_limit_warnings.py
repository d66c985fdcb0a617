"""What `serinus check` says of limits that never bind or always refuse, of budgets without prices, and of keys."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Deployment, load
from gateway.replica.limit_warnings import limit_warnings, unpriced_budgets
from tests.support.running import write

TODAY, NOW = date(2026, 11, 30), 1_796_000_000.0
PRICE = {"target": "own/m", "from": "2026-01-01", "input": 1, "output": 2}


def deployed(path: Path, key: Any = None, agent: Any = None, canary: bool = False, **gateway: Any) -> Deployment:
    """A folder with a key and an agent that differ so; its models have no built-in price."""
    files: dict[str, Any] = {
        "gateway.yaml": {
            "providers": {"own": {"api": "openai", "base_url": "http://127.0.0.1:1/v1"}},
            "keys": {"app": {"sha256": "ab" * 32, **(key or {})}},
            **gateway,
        },
        "routing.yaml": {
            "agents": {
                "support": {"stable": "v1", **({"canary": "v2", "weight": "5%"} if canary else {}), **(agent or {})}
            }
        },
        "agents/support/v1.yaml": {"model": "own/m"},
        "agents/support/v2.yaml": {"model": "own/n"},
    }
    return load(write(path, files), {})


def usd(amount: float, unpriced: str = "refuse") -> dict[str, Any]:
    return {"usd": {"24h": amount}, "unpriced": unpriced}


SLACK = [
    (
        {"usd": {"24h": 400, "30d": 300}, "unpriced": "refuse"},
        "$400.00 in 24h can never be reached, because of $300.00",
    ),
    ({"usd": {"day": 300, "month": 300}, "unpriced": "refuse"}, "$300.00 in day can never be reached, because of"),
    ({"usd": {"24h": 600, "month": 300}, "unpriced": "refuse"}, "$600.00 in 24h can never be reached, because of"),
    ({"tokens": "4096/1m"}, "a call without `max_tokens` reserves 4,096 tokens, more than the 4,096 in 1m"),
    ({"in_flight": 3000}, "3,000 calls in flight can never be reached, because the gateway takes 2,000"),
]
SOUND: list[dict[str, Any]] = [
    {"usd": {"24h": 20, "month": 300}, "unpriced": "refuse"},
    {"usd": {"24h": 400, "month": 300}, "unpriced": "refuse"},  # 24 hours may lie in two months
    {"tokens": "100/1m", "assume_output": 50, "in_flight": 2000, "requests": "9/1h"},
]


@pytest.mark.parametrize(("limits", "said"), SLACK)
def test_a_limit_that_does_not_do_what_it_seems_to(tmp_path: Path, limits: dict[str, Any], said: str) -> None:
    """Whatever its level, named with its holder."""
    (found,) = limit_warnings(deployed(tmp_path / "key", {"limits": limits}), TODAY)
    assert found.startswith("limits of key app: ") and said in found
    (found,) = limit_warnings(deployed(tmp_path / "agent", agent={"limits": limits}), TODAY)
    assert found.startswith("limits of agent support: ") and said in found
    (found,) = limit_warnings(deployed(tmp_path / "users", end_users={"limits": limits}), TODAY)
    assert found.startswith("limits of each end user: ") and said in found


@pytest.mark.parametrize("limits", SOUND)
def test_a_sound_limit_is_not_told(tmp_path: Path, limits: dict[str, Any]) -> None:
    """Nor what binds once in a while."""
    assert list(limit_warnings(deployed(tmp_path, {"limits": limits}), TODAY)) == []


def test_a_limit_above_that_of_its_whole(tmp_path: Path) -> None:
    """A key's above its group's, a conversation's and a canary's above the agent's."""
    group = {"g": {"limits": {"requests": "50/1m", "in_flight": 5}}}
    key = {"group": "g", "limits": {"requests": "60/1m", "in_flight": 6}}
    agent = {"limits": {**usd(5), "conversation": {"usd": 6}, "canary": {"usd": {"24h": 7}}}}
    found = list(limit_warnings(deployed(tmp_path, key, agent, canary=True, groups=group), TODAY))
    assert [each.partition(": ")[0] for each in found] == [
        "limits of key app", "limits of key app", "limits of each conversation", "limits of canary support/v2",
    ]  # fmt: skip
    assert "60 requests in 1m can never be reached, because group g may use less" in found[0]


@pytest.mark.process  # that reads the list of prices
def test_a_budget_that_meets_models_without_a_price(tmp_path: Path) -> None:
    """What becomes of their calls is said of each level; with prices nothing is."""
    agent = {"limits": {**usd(5, "count_tokens"), "canary": {"usd": {"24h": 1}}}}
    given = {"limits": usd(5), "group": "g"}
    group = {"g": {"limits": usd(5, "count_tokens") | {"tokens": "90000/1m"}}}
    here = deployed(tmp_path / "one", given, agent, canary=True, groups=group)
    key, whole, of_agent, canary = unpriced_budgets(here, NOW)
    assert key.startswith("the budget of key app: no known price of own/m, own/n, so its calls are refused")
    assert "left out" in whole and "nothing bounds" not in whole and "and nothing bounds them" in of_agent
    assert canary.startswith("the budget of canary support/v2: no known price of own/n") and "never paused" in canary
    both = [PRICE, {**PRICE, "target": "own/n"}]
    assert list(unpriced_budgets(deployed(tmp_path / "two", given, agent, True, groups=group, prices=both), NOW)) == []
    assert list(unpriced_budgets(deployed(tmp_path / "three", {"limits": {"requests": "9/1m"}}), NOW)) == []


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"agents": []}, "names no agent (`agents: []`), so it may call and review nothing"),
        ({"expires": "2026-11-30"}, "has expired on 2026-11-30"),
        ({"expires": "2026-12-14"}, "expires on 2026-12-14: 'serinus keys rotate app'"),
        ({"agents": [], "reviews": ["support"]}, ""),
        ({"expires": "2026-12-15"}, ""),
    ],
)
def test_a_key_that_is_good_for_nothing(tmp_path: Path, key: dict[str, Any], said: str) -> None:
    """Or soon will be; a reviewer's key that calls nothing is meant so."""
    found = list(limit_warnings(deployed(tmp_path, key), TODAY))
    assert (said in found[0]) if said else found == []
