"""The evaluation that an agent's canary needs, as rollouts and `serinus check` ask for it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from gateway.config.suite_files import suite_file
from policies.rollout.gate import Evaluated, Gate
from routing.agents import Agent


def gate_of(agent: Agent) -> Gate | None:
    """Return what a canary of the agent must pass before it gets calls, None for nothing."""
    needed = agent.evaluation
    if needed is None:
        return None
    evaluated = None
    if (found := needed.record) is not None:
        evaluated = Evaluated(
            found.canary, found.stable, found.suite, found.has_passed, found.sentence, found.at, found.margin
        )
    return Gate(agent.name, needed.suite, needed.max_age, evaluated, needed.margin, needed.mistake, needed.changed)


def waiting_canaries(agents: Mapping[str, Agent], now: float) -> Iterator[tuple[str, str]]:
    """Yield the agents whose canary would get no calls, each with the reason. `now` is in Unix seconds."""
    for name, agent in agents.items():
        gate = gate_of(agent)
        if gate is None or agent.canary is None:
            continue
        stable, canary = agent.versions[agent.stable].digest, agent.versions[agent.canary].digest
        if refusal := gate.refusal(stable, canary, agent.canary, now):
            yield name, refusal


def refused_canaries(agents: Mapping[str, Agent], now: float) -> Iterator[str]:
    """Yield a sentence for each canary that would get no calls. `now` is in Unix seconds."""
    for name, refusal in waiting_canaries(agents, now):
        yield f"agent {name}: the canary stays at 0 %: {refusal}"


def missing_suites(agents: Mapping[str, Agent], folder: Path) -> Iterator[str]:
    """Yield a sentence for each suite that cannot be compared with the one that was passed: it is not here."""
    for name, agent in agents.items():
        needed = agent.evaluation
        if needed is not None and not suite_file(folder, needed.suite).exists():
            yield f"agent {name}: the suite {needed.suite} is not here, so nobody sees whether it is the one on record"
