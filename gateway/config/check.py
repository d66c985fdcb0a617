"""What `serinus check` says about a folder."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.config.loader import Deployment, load
from gateway.config.problems import ConfigProblems
from gateway.config.units import show_percent
from routing.agents import Agent

_DIGITS = 12  # of a digest, enough to recognise it


def check(folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """The exit code (0 well, 2 problems) and the report."""
    try:
        deployment = load(folder, environ)
    except ConfigProblems as problems:
        return 2, f"{problems}\n\n{_count(len(problems.problems), 'problem')} in {folder}"
    return 0, "\n".join(_summary(folder, deployment))


def _summary(folder: Path, deployment: Deployment) -> Iterator[str]:
    settings = deployment.settings
    parts = (_count(len(deployment.agents), "agent"), _count(len(settings.providers), "provider"))
    yield f"{folder} is well: {', '.join(parts)}, listening on {settings.listen}, digest {deployment.digest[:_DIGITS]}"
    for agent in deployment.agents.values():
        yield f"\n{agent.name}"
        yield from _versions(agent)
    if deployment.warnings:
        yield ""
        yield from (f"warning: {warning}" for warning in deployment.warnings)


def _versions(agent: Agent) -> Iterator[str]:
    width = max(map(len, agent.versions))
    for name, version in agent.versions.items():
        share = _share(agent, name)
        yield f"  {share:<16} {name:<{width}}  {version.digest[:_DIGITS]}  {version.target}"


def _share(agent: Agent, version: str) -> str:
    if version == agent.canary:
        return f"canary {show_percent(agent.weight)}"
    if version == agent.stable:
        return f"stable {show_percent(10_000 - agent.weight)}"
    return "by rule or pin"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
