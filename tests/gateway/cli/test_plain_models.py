"""`serinus status` shows plain models apart from agents, as the page and the JSON do."""

from dataclasses import replace

from gateway.cli.render import describe
from gateway.rollout.status_view import RetirementView
from tests.support.views import agent_view, status_view


def test_plain_models() -> None:
    """Each model's calls, errors, latency and cost; and which have no known price."""
    sums = agent_view().versions["v1"]
    view = replace(status_view(), models={"openai/gpt-4o": sums}, unpriced_models=("openai/gpt-9",))
    lines = describe(view).splitlines()
    at = lines.index("plain models")
    assert lines[at + 1].split()[:3] == ["openai/gpt-4o", str(sums.requests), "requests,"]
    assert lines[at + 2] == "  no known price, not in the costs: openai/gpt-9"
    assert "plain models" not in describe(replace(view, models={}))


def test_plain_models_that_end() -> None:
    """They are shown also before anybody has called them."""
    ending = RetirementView("openai/gpt-4o", "2027-01-14", 45, "gateway.yaml")
    lines = describe(replace(status_view(), model_retirements=(ending,))).splitlines()
    assert lines[-2:] == ["plain models", "  openai/gpt-4o will be retired on 2027-01-14 (gateway.yaml)"]
