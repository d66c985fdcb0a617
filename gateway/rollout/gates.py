"""The evaluation that an agent's canary needs, as rollouts and `serinus check` ask for it."""

from collections.abc import Iterator, Mapping

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
    return Gate(agent.name, needed.suite, needed.max_age, evaluated, needed.margin, needed.mistake)


def refused_canaries(agents: Mapping[str, Agent], now: float) -> Iterator[str]:
    """Yield a sentence for each canary that would get no calls. `now` is in Unix seconds."""
    for name, agent in agents.items():
        gate = gate_of(agent)
        if gate is None or agent.canary is None:
            continue
        stable, canary = agent.versions[agent.stable].digest, agent.versions[agent.canary].digest
        if refusal := gate.refusal(stable, canary, agent.canary, now):
            yield f"agent {name}: the canary stays at 0 %: {refusal}"
