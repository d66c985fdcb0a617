"""Limits in the files: what they become, and what is wrong with them, at its line."""

from pathlib import Path

import pytest

from gateway.config import load
from gateway.limits.rules import NANO, RuleBook
from tests.gateway.config.folders import ENVIRON, FILES, GATEWAY, problems, write

KEY = f"keys:\n  app:\n    sha256: '{'ab' * 32}'\n    limits: "


def test_limits_become_rules(tmp_path: Path) -> None:
    """Each window of each kind is a limit of its own; money is whole nano-dollars."""
    written = "{requests: 600/1m, tokens: 9/day, usd: {24h: 0.5, month: 300}, unpriced: refuse, tz: Europe/Berlin}\n"
    folder = write(tmp_path, {**FILES, "gateway.yaml": GATEWAY + KEY + written})
    rules = RuleBook.of(load(folder, ENVIRON)).keys["app"]
    found = [(each.kind, each.amount, each.window.seconds, each.window.calendar) for each in rules.limits]
    assert found == [
        ("requests", 600, 60.0, None), ("tokens", 9, 0.0, "day"),
        ("usd", NANO // 2, 86_400.0, None), ("usd", 300 * NANO, 0.0, "month"),
    ]  # fmt: skip
    assert rules.limits[1].window.zone == "Europe/Berlin" and rules.refuses_unpriced


def test_without_limits_nothing_is_checked(tmp_path: Path) -> None:
    """The feature is off."""
    assert RuleBook.of(load(write(tmp_path, FILES), ENVIRON)).is_empty


def test_a_change_of_limits_is_another_configuration(tmp_path: Path) -> None:
    """Its digest differs, so that a reload takes it."""
    texts = [KEY + f"{{requests: {count}/1m}}\n" for count in (1, 2)]
    digests = {load(write(tmp_path, {**FILES, "gateway.yaml": GATEWAY + text}), ENVIRON).digest for text in texts}
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ("{requests: 600}", "write how many in which window, such as 600/1m or 10000/day"),
        ("{requests: 0/1m}", "write how many in which window, such as 600/1m or 10000/day"),
        ("{tokens: 5/1x}", "write a window such as 1m, 24h or 30d, which roll, or day, week or month of the calendar"),
        ("{tokens: 5/1s}", "'1s' is no window; the shortest is 10s, the longest 366d"),
        ("{usd: {24h: 5}}", "a budget in USD must say what becomes of models without a price"),
        ("{usd: {24h: 0}, unpriced: refuse}", "24h"),
        ("{usd: {fortnight: 5}, unpriced: refuse}", "write a window such as 1m"),
        ("{soft: 0%}", "must be more than 0%"),
        ("{tz: Mars/Olympus}", "'Mars/Olympus' is no time zone; write a name such as UTC or Europe/Berlin"),
        ("{in_flight: 0}", "in_flight"),
        ("{conversation: {calls: 5}}", "conversation"),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path: Path, limits: str, said: str) -> None:
    """One problem, at the line of the limits, with the way out."""
    text = GATEWAY + KEY + limits + "\n"
    found = problems(tmp_path, {"gateway.yaml": text})
    assert len(found) == 1 and said in found[0], found
    assert f"gateway.yaml:{text.count(chr(10))}" in found[0]


def test_a_group_that_no_key_has(tmp_path: Path) -> None:
    """Its limits would hold nobody back."""
    text = f"{GATEWAY}{KEY}{{in_flight: 1}}\ngroups: {{intenal: {{limits: {{requests: 5/1m}}}}}}\n"
    (found,) = problems(tmp_path, {"gateway.yaml": text})
    assert "unknown group 'intenal'" in found


def test_an_agents_budget_must_say_so_too(tmp_path: Path) -> None:
    """Also the budget of its conversations."""
    routing = "agents: {support: {stable: v1, limits: {conversation: {usd: 2}}}}\n"
    (found,) = problems(tmp_path, {"routing.yaml": routing})
    assert "agents.support.limits" in found and "unpriced: refuse" in found


def test_a_rotated_digest_is_one_callers_alone(tmp_path: Path) -> None:
    """A digest among several is told where another caller has it; without any the key has none."""
    one = f"keys:\n  a: {{sha256s: ['{'ab' * 32}', '{'cd' * 32}']}}\n"
    (found,) = problems(tmp_path, {"gateway.yaml": f"{GATEWAY}{one}  b: {{sha256: '{'cd' * 32}'}}\n"})
    assert "keys.b.sha256: is also the key of 'a'" in found
    (found,) = problems(tmp_path, {"gateway.yaml": f"{GATEWAY}keys: {{a: {{group: x}}}}\n"})
    assert "keys.a.sha256: is missing" in found
