"""Output of `serinus check` about a folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from gateway.config.loader import Deployment, load
from gateway.config.problems import ConfigProblems
from gateway.config.quantities import BASIS_POINTS, show_percent, show_seconds
from policies.rollout.state import Step
from routing.agents import Agent, RolloutStep

_BROKEN = 2
_DIGITS = 12  # of a digest, enough to recognise it


def _nothing(_deployment: Deployment) -> Iterable[str]:
    return ()


def _nobody(_deployment: Deployment) -> Mapping[str, str]:
    return {}


def check(
    folder: Path,
    environ: Mapping[str, str],
    more: Callable[[Deployment], Iterable[str]] = _nothing,
    faults: Callable[[Deployment], Iterable[str]] = _nothing,
    waiting: Callable[[Deployment], Mapping[str, str]] = _nobody,
) -> tuple[int, str]:
    """The exit code (0 well, 1 faults, 2 problems) and the report.

    Of what could be loaded, `more` finds what else to warn of, and `faults` what serves but cannot do its work;
    `waiting` has the agents whose canary waits for an evaluation, with the reason.
    """
    try:
        deployment = load(folder, environ)
    except ConfigProblems as problems:
        return _BROKEN, f"{problems}\n\n{_count(len(problems.problems) + problems.left_out, 'problem')} in {folder}"
    notes = [f"warning: {warning}" for warning in (*deployment.warnings, *more(deployment))]
    found = [f"error: {fault}" for fault in faults(deployment)]
    return 1 if found else 0, "\n".join(_summary(folder, deployment, waiting(deployment), [*notes, *found]))


def check_values(
    folder: Path,
    environ: Mapping[str, str],
    more: Callable[[Deployment], Iterable[str]] = _nothing,
    faults: Callable[[Deployment], Iterable[str]] = _nothing,
    waiting: Callable[[Deployment], Mapping[str, str]] = _nobody,
) -> tuple[int, dict[str, object]]:
    """The exit code as `check` has it, and for programs what is wrong: `problems`, `errors` and `warnings`."""
    try:
        deployment = load(folder, environ)
    except ConfigProblems as problems:
        listed = [asdict(problem) for problem in problems.problems]
        return _BROKEN, {"valid": False, "problems": listed, "left_out": problems.left_out}
    errors, warnings = [*faults(deployment)], [*deployment.warnings, *more(deployment)]
    agents = {name: sorted(agent.versions) for name, agent in deployment.agents.items()}
    found = {
        "valid": True, "digest": deployment.digest, "agents": agents, "pending": dict(waiting(deployment)),
        "errors": errors, "warnings": warnings,
    }  # fmt: skip
    return 1 if errors else 0, found


def _summary(folder: Path, deployment: Deployment, waiting: Mapping[str, str], notes: Sequence[str]) -> Iterator[str]:
    settings = deployment.settings
    parts = (_count(len(deployment.agents), "agent"), _count(len(settings.providers), "provider"))
    yield f"{folder} is valid: {', '.join(parts)}, listening on {settings.listen}, digest {deployment.digest[:_DIGITS]}"
    yield "\nproviders"
    yield from _providers(deployment)
    for agent in deployment.agents.values():
        yield f"\n{agent.name}"
        yield from _versions(agent, waits=agent.name in waiting)
        yield from _limits(agent)
    yield from _names(deployment)
    if notes:
        yield ""
        yield from notes


def _providers(deployment: Deployment) -> Iterator[str]:
    settings = deployment.settings
    width = max(map(len, settings.providers))
    for name, provider in settings.providers.items():
        preset = f", preset {provider.preset}" if provider.preset else ""
        key = f", key {deployment.written[f'providers.{name}.api_key']}" if provider.api_key else ", no key"
        yield f"  {name:<{width}}  {provider.base_url} ({provider.api}{preset}{key})"


def _names(deployment: Deployment) -> Iterator[str]:
    """Other names that clients may send: aliases, and plain models."""
    if deployment.aliases:
        yield "\naliases"
        yield from (f"  {alias} → {target}" for alias, target in deployment.aliases.items())
    if models := deployment.settings.models:
        yield f"\nplain models  {', '.join(models)}"


def _versions(agent: Agent, *, waits: bool) -> Iterator[str]:
    width = max(map(len, agent.versions))
    for name, version in agent.versions.items():
        share = _share(agent, name, waits=waits)
        yield f"  {share:<16} {name:<{width}}  {version.digest[:_DIGITS]}  {version.target}"


def _share(agent: Agent, version: str, *, waits: bool) -> str:
    begins = _real_weight(agent.steps[0]) if agent.steps and not waits else 0
    if version == agent.canary:
        return f"canary {show_percent(begins)}{' pending' if waits else ''}"
    if version == agent.stable:
        return f"stable {show_percent(BASIS_POINTS - begins)}"
    return "by rule or pin"


def _real_weight(step: RolloutStep) -> int:
    """Return the weight in basis points, less the holdback on stable."""
    return Step(step.weight, step.hold).share


def _limits(agent: Agent) -> Iterator[str]:
    """The steps, and what keeps the canary from the next one."""
    steps = [_step(step, step.hold) for step in agent.steps if step.hold is not None]
    named = {"steps": " → ".join(steps), "guardrails": ", ".join(agent.guardrails)}
    for label, text in {**named, "signals": ", ".join(agent.signals)}.items():
        if text:
            yield f"  {label:<16} {text}"


def _step(step: RolloutStep, hold: float) -> str:
    calls = f" {step.min_requests} calls" if step.min_requests else ""
    return f"{show_percent(step.weight)} {show_seconds(hold)}{calls}{' approval' if step.approval else ''}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
