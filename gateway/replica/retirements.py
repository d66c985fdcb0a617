"""Models in use that a provider ends: what `serinus check` says of them, and what a running gateway does."""

from collections.abc import Iterator, Mapping
from datetime import date

from gateway.config import Deployment, GatewaySettings
from gateway.retirements import ModelEnding, ReportedDates, RetirementCalendar
from routing.agents import Agent, AgentVersion
from routing.chain import Target
from routing.models import ModelPattern

PLAIN = "plain models"  # in the place of an agent's name
_WAY_OUT = "name another model, or correct the date under `retirements` in gateway.yaml"


def calendar(settings: GatewaySettings, reported: ReportedDates | None = None) -> RetirementCalendar:
    """The retirement dates under that configuration."""
    base_urls = {name: provider.base_url for name, provider in settings.providers.items()}
    return RetirementCalendar(settings.retirements, base_urls, reported)


def routed_targets(agent: Agent) -> dict[str, list[str]]:
    """The targets that calls of the agent reach without a pin, and what names each: versions, or the fallback."""
    shadow = agent.shadow.version if agent.shadow else None
    named = (agent.stable, agent.canary, shadow, *(rule.use for rule in agent.rules))
    versions = {name: agent.versions[name] for name in dict.fromkeys(named) if name is not None}
    found = _of_versions(versions)
    for target in agent.fallback:
        if isinstance(target, Target):
            found.setdefault(str(target), []).append("fallback")
    return found


def aliased_targets(deployment: Deployment) -> dict[str, list[str]]:
    """The plain models that aliases lead to, and the aliases of each."""
    found: dict[str, list[str]] = {}
    for alias, target in deployment.aliases.items():
        if "/" in target:  # no agent's name has one
            found.setdefault(target, []).append(f"alias {alias}")
    return found


def named_models(deployment: Deployment) -> dict[str, list[str]]:
    """The plain models that `models` spells out."""
    return {name: ["models"] for name in deployment.settings.models if not ModelPattern.of(name).is_open}


def retired(deployment: Deployment, today: date) -> Iterator[str]:
    """Return a sentence for each model in use that no longer exists."""
    for agent in deployment.agents.values():
        for ending, users in _endings(deployment, routed_targets(agent), today):
            if ending.is_over:
                yield f"{agent.name} ({users}): {ending}; {_WAY_OUT}"
    for ending, users in _endings(deployment, aliased_targets(deployment), today):
        if ending.is_over:
            yield f"{PLAIN} ({users}): {ending}; {_WAY_OUT}"


def retiring(deployment: Deployment, today: date) -> Iterator[str]:
    """Return a sentence for each model in use that ends soon, and for each that only a pin or a client's
    choice reaches."""
    for agent in deployment.agents.values():
        routed = routed_targets(agent)
        for ending, users in _endings(deployment, routed, today):
            if not ending.is_over:
                yield f"{agent.name} ({users}): {ending}"
        pinned = {target: users for target, users in _of_versions(agent.versions).items() if target not in routed}
        for ending, users in _endings(deployment, pinned, today):
            yield f"{agent.name} (by pin alone: {users}): {ending}"
        judge = {} if agent.judge is None else {str(agent.judge.target): ["judge"]}
        for ending, users in _endings(deployment, judge, today):
            yield f"{agent.name} ({users}): {ending}"
    aliased = aliased_targets(deployment)
    for ending, users in _endings(deployment, {**named_models(deployment), **aliased}, today):
        if not (ending.is_over and ending.target in aliased):
            yield f"{PLAIN} ({users}): {ending}"


def _of_versions(versions: Mapping[str, AgentVersion]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, version in versions.items():
        found.setdefault(str(version.target), []).append(name)
    return found


def _endings(deployment: Deployment, users: Mapping[str, list[str]], today: date) -> Iterator[tuple[ModelEnding, str]]:
    for ending in calendar(deployment.settings).near(users, today):
        yield ending, ", ".join(users[ending.target])
