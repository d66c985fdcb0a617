"""The one sentence on an agent, or on all: is anyone hurt now, and if nobody is, what needs attention.

Pure functions of the views that `/status` answers with.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from gateway.history.view import RecentView
from gateway.rollout.status_view import AgentView, FindingView, RetirementView, StatusView
from gateway.rollout.status_words import (
    comparison,
    failed_in_words,
    metric_name,
    percentage,
    unanswered_in_words,
    weight,
)

Level = Literal["hurt", "suspect", "attention", "rolled_back", "watching", "fine", "quiet"]

# The worst first, each with the word that stands beside its sign.
LEVELS: Mapping[Level, str] = {
    "hurt": "failing",
    "suspect": "suspect",
    "attention": "needs you",
    "rolled_back": "rolled back",
    "watching": "watching",
    "fine": "fine",
    "quiet": "quiet",
}
_STORE_AWAY = "The store is away: calls are served, no decision is made, and numbers are as old as the last answer."
_RANK = {level: rank for rank, level in enumerate(LEVELS)}
NOBODY = "Nobody is hurt now."
NOBODY_THEN = "Nobody was hurt when the store last answered."

_HURT_RATE = 0.2  # of a version's calls get no answer: whoever calls the agent notices
_MIN_CALLS = 10  # fewer calls than this say little of a rate
_SOON_DAYS = 14  # before a model ends


@dataclass(frozen=True, slots=True)
class Condition:
    """A level, the sentence that says it, and what adds to it."""

    level: Level
    sentence: str
    detail: str = ""

    @property
    def rank(self) -> int:
        """The place of the level, 0 for the worst."""
        return _RANK[self.level]


def worst_first(conditions: Mapping[str, tuple[Condition, int]]) -> list[str]:
    """Return the agents, by their conditions and recent calls: what needs attention first, then the busiest."""
    return sorted(conditions, key=lambda name: (conditions[name][0].rank, -conditions[name][1], name))


def recent_calls(agent: AgentView) -> int:
    """Return the calls of the last hour, of all versions."""
    return sum(recent.calls for sums in agent.versions.values() if (recent := sums.recent.get("1h")))


def overall_condition(view: StatusView, stood: Sequence[tuple[str, Condition]]) -> Condition:
    """Return the sentence on everything: the worst agent's, or that nobody is hurt and what needs attention.

    `stood` are the agents' conditions, the worst first. While the store is away, it is as old as what was last read.
    """
    condition = _overall_condition(view, stood)
    if view.gateway.store.ok:
        return condition
    if condition.sentence == NOBODY:
        return replace(condition, sentence=NOBODY_THEN)
    return replace(condition, detail=f"{condition.detail} {_STORE_AWAY}")


def _overall_condition(view: StatusView, stood: Sequence[tuple[str, Condition]]) -> Condition:
    hurt = [(name, condition) for name, condition in stood if condition.level == "hurt"]
    if hurt:
        name, worst = hurt[0]
        others = f"And {_count(len(hurt) - 1, 'more agent')}." if len(hurt) > 1 else ""
        return Condition("hurt", f"{name}: {worst.sentence}", " ".join(filter(None, (worst.detail, others))))
    calm = _without_hurt(view, stood)
    trouble = _gateway_trouble(view)
    if trouble is None:
        return calm
    worse = min(calm, trouble, key=lambda each: each.rank)
    is_notable = calm.rank < _RANK["watching"]
    return replace(worse, detail=f"{calm.detail} {trouble.detail}" if is_notable else trouble.detail)


def _without_hurt(view: StatusView, stood: Sequence[tuple[str, Condition]]) -> Condition:
    """Return the sentence on all agents, none of which is failing."""
    if not stood:
        return Condition("quiet", "No agent is configured yet.")
    name, worst = stood[0]
    if worst.level in ("watching", "fine", "quiet"):
        trials = sum(agent.phase == "running" for agent in view.agents.values())
        busy = f"{_count(trials, 'canary is', 'canaries are')} on trial." if trials else "No canary is on trial."
        return Condition(worst.level, NOBODY, busy)
    same = sum(condition.level == worst.level for _, condition in stood) - 1
    others = f" And {_count(same, 'more agent')}." if same else ""
    return Condition(worst.level, NOBODY, f"{name}: {worst.sentence}{others}")


def agent_condition(agent: AgentView) -> Condition:
    """Return the sentence on one agent."""
    for look in (_unanswered, _breached, _suspected, _saved, _attention, _rolled_back, _on_trial):
        if (condition := look(agent)) is not None:
            return condition
    canary = agent.canary.version if agent.canary else None
    if agent.phase == "completed" and canary:
        return Condition(
            "fine", f"{canary} has passed its trial and serves every call.", "Make it stable in your files."
        )
    if canary:
        return Condition("quiet", f"{agent.stable.version} serves every call.", f"The trial of {canary} has not begun.")
    level: Level = "fine" if recent_calls(agent) else "quiet"
    return Condition(level, f"{agent.stable.version} serves every call.", "No canary is on trial.")


def is_on_trial(agent: AgentView) -> bool:
    """Return whether a canary is on trial, running or paused."""
    return agent.canary is not None and agent.phase in ("running", "paused")


def share(agent: AgentView) -> str:
    """Return the canary's share of the traffic."""
    return weight(agent.weight)


def _unanswered(agent: AgentView) -> Condition | None:
    """Return which version's calls get no answer so often now that clients notice, whoever causes it."""
    for version, recent, minutes in _seen(agent):
        if recent.unanswered_rate >= _HURT_RATE:
            sentence = f"Clients got no answer to {percentage(recent.unanswered_rate)} of the calls on {version}."
            return Condition("hurt", sentence, f"In the last {minutes}: {unanswered_in_words(recent)}.")
    return None


def _saved(agent: AgentView) -> Condition | None:
    """Return which version fails often now, though something else answers its clients."""
    return next(fallen_back(agent), None)


def fallen_back(agent: AgentView) -> Iterator[Condition]:
    """Find the versions that fail often now while their clients get answers, by fallbacks or retries."""
    for version, recent, minutes in _seen(agent):
        if recent.failing_rate >= _HURT_RATE > recent.unanswered_rate:
            sentence = f"{version} fails {percentage(recent.failing_rate)} of its calls, but clients get answers."
            yield Condition("attention", sentence, f"In the last {minutes}: {failed_in_words(recent)}.")


def _serving(agent: AgentView) -> list[str]:
    """Return the versions that get calls now: what a canary did before it was rolled back hurts nobody any more."""
    if agent.canary is None or agent.phase not in ("running", "paused", "completed"):
        return [agent.stable.version]
    return [agent.canary.version] if agent.phase == "completed" else [agent.stable.version, agent.canary.version]


def _seen(agent: AgentView) -> Iterator[tuple[str, RecentView, str]]:
    """Find each serving version's calls in the shortest window that says enough, and the window in words."""
    for version in _serving(agent):
        recents = sums.recent if (sums := agent.versions.get(version)) is not None else {}
        for window, words in (("1m", "minute"), ("5m", "5 minutes")):
            if (recent := recents.get(window)) is not None and recent.calls >= _MIN_CALLS:
                yield version, recent, words
                break


def _breached(agent: AgentView) -> Condition | None:
    if (found := _worst(agent, "breached")) is None or agent.canary is None:
        return None
    return Condition("hurt", f"{agent.canary.version} is worse than its limit.", f"{_measured(found)}. {_still(agent)}")


def _suspected(agent: AgentView) -> Condition | None:
    if (found := _worst(agent, "suspect")) is None or agent.canary is None:
        return None
    return Condition("suspect", f"{agent.canary.version} is suspect.", f"{_measured(found)}. {_still(agent)}")


def _worst(agent: AgentView, verdict: str) -> FindingView | None:
    """Return the finding with most evidence behind that verdict, of a canary that gets calls."""
    if not is_on_trial(agent):
        return None
    found = (each for each in (*agent.guardrails, *agent.signals) if each.verdict == verdict)
    return max(found, key=lambda each: each.evidence, default=None)


def _measured(finding: FindingView) -> str:
    return f"{metric_name(finding.metric)}: {comparison(finding)}"


def _still(agent: AgentView) -> str:
    return f"It gets {share(agent)} of the traffic." if agent.weight else "It gets no traffic."


def _attention(agent: AgentView) -> Condition | None:
    """Return what a person has to do, though nobody is hurt."""
    canary = agent.canary.version if agent.canary else ""
    if is_on_trial(agent):
        if agent.phase == "paused":
            return Condition("attention", f"{canary} is paused at {share(agent)}.", agent.reason)
        if any("approval" in reason for reason in agent.waits_for):
            return Condition("attention", f"{canary} waits for your approval.", "; ".join(agent.waits_for))
    if agent.phase == "pending":
        return Condition("attention", f"{canary} waits at 0 % for its evaluation.", agent.reason)
    if agent.excluded:
        return Condition("attention", "One caller is kept off the canary.", agent.excluded)
    ending = min(_soon(agent.retirements), key=lambda each: each.days, default=None)
    if ending is not None:
        return Condition("attention", f"A model it uses {_ends(ending)}.", str(ending))
    return None


def _soon(retirements: Iterable[RetirementView]) -> Iterable[RetirementView]:
    return (each for each in retirements if each.days <= _SOON_DAYS)


def _ends(ending: RetirementView) -> str:
    return "was retired" if ending.days <= 0 else f"ends in {_count(ending.days, 'day')}"


def _rolled_back(agent: AgentView) -> Condition | None:
    if agent.phase != "rolled_back" or agent.canary is None:
        return None
    now = f"{agent.stable.version} serves every call."
    return Condition("rolled_back", f"{agent.canary.version} was rolled back. {now}", agent.reason)


def _on_trial(agent: AgentView) -> Condition | None:
    if not is_on_trial(agent) or agent.canary is None:
        return None
    verdicts = {finding.verdict for finding in agent.guardrails}
    gets = f"{agent.canary.version} gets {share(agent)} of the traffic"
    if verdicts <= {"fine"}:
        return Condition("fine", f"{gets}, and is fine so far.")
    if verdicts <= {"no data"}:
        return Condition("watching", f"{gets}; nothing was measured yet.")
    return Condition("watching", f"{gets}; nothing is proven against it.")


def _gateway_trouble(view: StatusView) -> Condition | None:
    """Return what is wrong with the gateway itself, though calls are served."""
    gateway = view.gateway
    if not gateway.store.ok:
        return Condition("attention", NOBODY, _STORE_AWAY)
    if gateway.config.error:
        return Condition("attention", NOBODY, "The new configuration is broken: the one before it still serves.")
    if gateway.circuits:
        return Condition("watching", NOBODY, f"Left alone after failures: {', '.join(gateway.circuits)}.")
    return None


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
