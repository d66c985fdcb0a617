"""The configuration that the demo writes is one that the gateway takes."""

from pathlib import Path

from evals.checks import check_problems
from evals.suites import read_suite
from gateway.config import load
from gateway.rehearsal.demo.files import RULE, begin_gated_trial, begin_trial, write_configuration
from gateway.rollout.gates import refused_canaries
from routing.agents import RolloutStep

URL = "http://127.0.0.1:9/v1"


def test_v1_serves_alone_at_first(tmp_path: Path) -> None:
    """What is written loads without keys or other environment, and has no canary."""
    write_configuration(tmp_path / "config", URL)
    agent = load(tmp_path / "config", {}).agents["customer-support"]
    assert (agent.stable, agent.canary) == ("v1", None)


def test_one_edit_begins_the_trial(tmp_path: Path) -> None:
    """The edit puts v2 on trial at 5 %, and nothing else is in the folder afterwards."""
    write_configuration(tmp_path / "config", URL)
    before = sorted(tmp_path.rglob("*"))
    begin_trial(tmp_path / "config")
    agent = load(tmp_path / "config", {}).agents["customer-support"]
    assert (agent.canary, agent.steps) == ("v2", (RolloutStep(500),))
    assert sorted(tmp_path.rglob("*")) == before


def test_the_next_trial_needs_an_evaluation(tmp_path: Path) -> None:
    """v3 has lost the rule, the suite is one that runs, and without a record v3 stays at 0 %."""
    write_configuration(tmp_path / "config", URL)
    begin_gated_trial(tmp_path / "config")
    agents = load(tmp_path / "config", {}).agents
    agent = agents["customer-support"]
    prompts = [agent.versions[name].system_prompt or "" for name in ("v1", "v3")]
    assert [RULE in prompt for prompt in prompts] == [True, False]
    suite = read_suite(tmp_path / "evals/support.yaml", check_problems)
    assert len(suite.cases) == 12 and not suite.notes
    assert ["v3 has no evaluation on record" in each for each in refused_canaries(agents, 0.0)] == [True]


def test_every_target_has_a_price(tmp_path: Path) -> None:
    """Both versions' targets and the fallback's are priced, so that no cost is unknown."""
    write_configuration(tmp_path / "config", URL)
    begin_trial(tmp_path / "config")
    deployment = load(tmp_path / "config", {})
    agent = deployment.agents["customer-support"]
    targets = {str(version.target) for version in agent.versions.values()} | {"backup/claude-like"}
    assert targets == {price.target for price in deployment.settings.prices}
