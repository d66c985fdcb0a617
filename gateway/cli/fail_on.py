"""`serinus status --fail-on`: conditions by a word, each with an exit code of its own, for cron jobs and pipelines."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from gateway.pages.condition import agent_condition, fallen_back
from gateway.rollout.status_view import AgentView, StatusView

_EACH: Final = "all"


def fail_on(text: str) -> tuple[str, ...]:
    """Return the words of a list such as `breached,store_away`, the worst first. Raises ArgumentTypeError."""
    asked = {word.strip().replace("-", "_") for word in text.split(",")}
    for word in asked - {*CONDITIONS, _EACH}:
        from difflib import get_close_matches

        near = get_close_matches(word, [*CONDITIONS], n=1)
        meant = f"; did you mean {near[0]!r}?" if near else ""
        raise argparse.ArgumentTypeError(f"{word!r} is not one of {', '.join([*CONDITIONS, _EACH])}{meant}")
    return tuple(word for word in CONDITIONS if word in asked or _EACH in asked)


def first_failure(view: StatusView, words: tuple[str, ...]) -> tuple[int, str] | None:
    """Return the exit code and the sentence of the first of these conditions that holds; None where none does."""
    for word in words:
        code, _, look = CONDITIONS[word]
        if found := next(look(view), None):
            return code, f"{word}: {found}"
    return None


def exit_codes() -> dict[int, str]:
    """Return the exit codes of the conditions, the worst first, each with its word and meaning."""
    return {code: f"{word}: {meaning}" for word, (code, meaning, _) in CONDITIONS.items()}


def _config_error(view: StatusView) -> Iterator[str]:
    if view.gateway.config.error:
        yield "the gateway refuses its present files; the previous configuration is in use"


def _store_away(view: StatusView) -> Iterator[str]:
    if not view.gateway.store.ok:
        yield view.gateway.store.error or "the store does not answer"


def _of_agents(look: Callable[[AgentView], str | None]) -> Callable[[StatusView], Iterator[str]]:
    def look_at_all(view: StatusView) -> Iterator[str]:
        return (f"{name}: {found}" for name, agent in view.agents.items() if (found := look(agent)))

    return look_at_all


def _failing(agent: AgentView) -> str | None:
    condition = agent_condition(agent)
    return f"{condition.sentence} {condition.detail}" if condition.level == "hurt" else None


def _falling_back(agent: AgentView) -> str | None:
    return next((f"{found.sentence} {found.detail}" for found in fallen_back(agent)), None)


def _verdict(verdict: str) -> Callable[[AgentView], str | None]:
    def look(agent: AgentView) -> str | None:
        if agent.canary is None or agent.phase not in ("running", "paused"):
            return None
        found = (each.text for each in (*agent.guardrails, *agent.signals) if each.verdict == verdict)
        return next((f"{agent.canary.version}: {text}" for text in found), None)

    return look


def _rolled_back(agent: AgentView) -> str | None:
    return agent.reason if agent.phase == "rolled_back" else None


def _paused(agent: AgentView) -> str | None:
    return agent.reason if agent.phase == "paused" else None


def _waiting(agent: AgentView) -> str | None:
    return next((reason for reason in agent.waits_for if "approval" in reason), None)


def _circuit_open(view: StatusView) -> Iterator[str]:
    return (f"{target} is {state.replace('_', ' ')}" for target, state in view.gateway.circuits.items())


def _model_retires(view: StatusView) -> Iterator[str]:
    ending = [retirement for agent in view.agents.values() for retirement in agent.retirements]
    return map(str, (*ending, *view.model_retirements))


CONDITIONS: Final[Mapping[str, tuple[int, str, Callable[[StatusView], Iterator[str]]]]] = {
    "config_error": (10, "the files are refused; the previous configuration serves", _config_error),
    "store_away": (11, "the store does not answer: no decision is made", _store_away),
    "failing": (12, "clients get no answer to a fifth of a version's calls now, or it breaches", _of_agents(_failing)),
    "breached": (13, "a guardrail proves a canary worse than its limit", _of_agents(_verdict("breached"))),
    "rolled_back": (14, "a canary was rolled back", _of_agents(_rolled_back)),
    "suspect": (15, "a guardrail suspects a canary", _of_agents(_verdict("suspect"))),
    "excluded": (16, "one caller or user is kept off a canary", _of_agents(lambda agent: agent.excluded)),
    "paused": (17, "a rollout is paused", _of_agents(_paused)),
    "waiting": (18, "a step waits for an approval", _of_agents(_waiting)),
    "circuit_open": (19, "calls to a target are suspended", _circuit_open),
    "model_retires": (20, "a model in use ends within 60 days", _model_retires),
    "falling_back": (
        21,
        "a version fails a fifth of its calls now, but clients get answers",
        _of_agents(_falling_back),
    ),
}
