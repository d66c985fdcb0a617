"""`serinus status` shows plain models apart from agents, as the page and the JSON do."""

from dataclasses import replace

from gateway.cli.output import painted
from gateway.cli.status_text import status_rows
from gateway.rollout.status_view import RetirementView, StatusView
from gateway.terminal import Palette
from tests.support.views import agent_view, status_view


def shown(view: StatusView) -> list[str]:
    return painted(status_rows(view, "http://gw"), Palette()).splitlines()


def test_plain_models() -> None:
    """Each model's calls, errors, latency and cost; and which have no known price."""
    sums = agent_view().versions["v1"]
    view = replace(status_view(), models={"openai/gpt-4o": sums}, unpriced_models=("openai/gpt-9",))
    lines = shown(view)
    at = lines.index("plain models")
    assert lines[at + 2].split()[:2] == ["openai/gpt-4o", f"{sums.requests:,}"]
    assert lines[at + 3] == "  no known price, not in the costs: openai/gpt-9"
    assert "plain models" not in shown(replace(view, models={}))


def test_plain_models_that_end() -> None:
    """They are shown also before anybody has called them."""
    ending = RetirementView("openai/gpt-4o", "2027-01-14", 45, "gateway.yaml")
    lines = shown(replace(status_view(), model_retirements=(ending,)))
    assert lines[-4:-2] == ["plain models", "  openai/gpt-4o will be retired on 2027-01-14 (gateway.yaml)"]
