"""Agents, versions and calls to route."""

from typing import Any

from routing.agents import Agent, AgentVersion, RolloutStep
from routing.chain import Target
from routing.facts import Facts
from routing.plan import Split

V1 = AgentVersion("v1", Target("openai", "gpt-4o"), system_prompt="Be brief.")
V2 = AgentVersion("v2", Target("openai", "gpt-4o"), system_prompt="Be kind.")
V3 = AgentVersion("v3", Target("house", "llama/3"))


def agent(**fields: Any) -> Agent:
    """`support` with v1 stable, v2 on trial at 5 %, and v3."""
    given = {"versions": {"v1": V1, "v2": V2, "v3": V3}, "stable": "v1", "canary": "v2"}
    return Agent("support", **{**given, "steps": (RolloutStep(500),), **fields})


def facts(**fields: Any) -> Facts:
    """A call by `web-app` in conversation `c-1`."""
    given = {"caller": "web-app", "group": "internal", "user": "ada", "conversation": "c-1", "request": "r-1"}
    return Facts(**{**given, **fields})


def trial(weight: int) -> Split:
    """v2 on trial over v1 at `weight` basis points."""
    return Split.trial("support", V1, V2, weight)
