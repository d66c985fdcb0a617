"""A judge that would grade nothing for want of a price is told of before it is relied upon."""

from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.config import load
from gateway.replica.unpriced_judges import unpriced_judges
from tests.support.running import write

pytestmark = pytest.mark.process  # that reads the list of prices

NOW = 1_796_000_000.0  # 2026-11-30
PRICE = {"target": "own/judge", "from": "2026-01-01", "input": 1, "output": 2}
SENTENCE = "support (judge): own/judge has no known price, so no call is judged; add it to `prices`"


def folder(path: Path, *prices: object, judge: bool = True) -> Path:
    given = {"target": "own/judge", "rubric": "polite.md", "sample": "1%", "max_cost_per_day": 5}
    agent = {"stable": "v1", "record_content": "all", **({"judge": given} if judge else {})}
    providers = {"own": {"api": "openai", "base_url": "http://127.0.0.1:1/v1"}}
    return write(
        path,
        {
            "gateway.yaml": {"providers": providers, "prices": list(prices)},
            "routing.yaml": {"agents": {"support": agent}},
            "agents/support/v1.yaml": {"model": "own/m"},
            "agents/support/polite.md": "The answer is polite.",
        },
    )


def test_a_judge_without_a_price(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`serinus check` names the agent and the model; the folder is well all the same."""
    assert main(["check", "--config", str(folder(tmp_path))]) == 0
    assert f"\nwarning: {SENTENCE}\n" in capsys.readouterr().out


def test_a_judge_with_a_price(tmp_path: Path) -> None:
    """Nothing is told of one, nor of an agent without a judge."""
    assert list(unpriced_judges(load(folder(tmp_path / "one", PRICE), {}), NOW)) == []
    assert list(unpriced_judges(load(folder(tmp_path / "none", judge=False), {}), NOW)) == []


def test_a_price_that_begins_later(tmp_path: Path) -> None:
    """A price of a day to come is none yet."""
    later = load(folder(tmp_path, {**PRICE, "from": "2027-01-01"}), {})
    assert list(unpriced_judges(later, NOW)) == [SENTENCE]
