"""The recipes of the manual, each loaded as an operator would copy it."""

from datetime import date
from pathlib import Path

import pytest

from gateway.config import Deployment, load
from gateway.replica.retirements import calendar
from gateway.replica.wiring import targets
from routing.agents import HUMAN, RolloutStep, Shadow, Timeouts
from tests.gateway.config.folders import write
from tests.support.recipes import BASE, PAGE, SECTIONS, folder_of, states

ENVIRON = {"OPENAI_API_KEY": "sk-planted", "ANTHROPIC_API_KEY": "sk-planted-too"}


def last(folder: Path, title: str) -> Deployment:
    """The folder as a recipe leaves it, loaded."""
    return load(write(folder, folder_of(title)), ENVIRON)


def test_every_block_belongs_to_a_recipe() -> None:
    """None is without a file's name, and no recipe is without a block."""
    assert sum(map(len, SECTIONS.values())) + len(BASE) == PAGE.count("```yaml") and all(SECTIONS.values())


@pytest.mark.parametrize("title", SECTIONS)
def test_every_recipe_loads(tmp_path: Path, title: str) -> None:
    """Without a warning, in each state that it passes through."""
    for number, files in enumerate(states(SECTIONS[title])):
        assert load(write(tmp_path / str(number), {**BASE, **files}), ENVIRON).warnings == ()


@pytest.mark.parametrize("title", SECTIONS)
def test_no_recipe_names_a_model_that_ends(tmp_path: Path, title: str) -> None:
    """No date of its end is known, whatever today is."""
    deployment = last(tmp_path, title)
    dates = calendar(deployment.settings)
    assert [target for target in targets(deployment) if dates.ending(target, date(2026, 1, 1))] == []


def test_the_recipes_do_what_they_say(tmp_path: Path) -> None:
    """The alias, the steps, the guardrails, the chain, the rule, the copies and the limits are there."""
    names = ["Move", "A rollout", "Let", "Fall", "Show", "Try", "An agent"]
    titles = [next(title for title in SECTIONS if title.startswith(name)) for name in names]
    moved, steps, quality, chain, rule, copies, limits = (
        last(tmp_path / str(number), title) for number, title in enumerate(titles)
    )
    assert moved.aliases == {"gpt-4o": "support"} and moved.settings.models == ("openai/*",)
    assert steps.agents["support"].steps[2] == RolloutStep(5000, 7200.0, 0, approval=True)
    assert "low_quality <= stable * 1.10" in quality.agents["support"].guardrails
    assert chain.agents["support"].fallback[-1] == HUMAN
    assert [(rule.when, rule.use) for rule in rule.agents["support"].rules] == [({"group": ("internal",)}, "v2")]
    assert copies.agents["support"].shadow == Shadow("v2", 1000, 60, 5_000_000_000)
    assert limits.agents["research"].timeouts == Timeouts(600.0, 300.0, 600.0, 1200.0)
