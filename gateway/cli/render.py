"""Sentences of `serinus explain`, and the lines of `serinus escalations`."""

from gateway.cli.output import local_time
from gateway.handover.escalation_view import EscalationView
from gateway.judging.view import JudgeView
from gateway.rollout.status_view import (
    AgentView,
    OutlookView,
    apart_in_words,
)
from gateway.rollout.status_words import comparison, evidence_number, mean_score, rarity, reason_in_words

_MOST_REASONS = 3  # of a version


def explain(name: str, agent: AgentView) -> list[str]:
    """Sentences that say where an agent's rollout stands, why, and what it waits for."""
    canary = agent.canary
    if canary is None:
        standing = f"Nothing is on trial: {agent.stable.version} serves every call of {name}."
        return [standing, *_failures_in_words(agent), *(_judge_in_words(agent.judge) if agent.judge else ())]
    lines = [_standing(name, agent, canary.version), _last_change(agent), *_failures_in_words(agent)]
    if agent.phase in ("running", "paused"):
        lines.append(_evidence_in_words(agent))
        lines += _outlook_in_words(agent.outlook) if agent.outlook else []
        lines += apart_in_words(agent.versions)
        lines += [f"{agent.openings}."] if agent.openings else []
        lines += [f"It waits because {reason}." for reason in agent.waits_for]
    if (kept_from := agent.excluded) and not any(kept_from in reason for reason in agent.waits_for):
        effect = "ends the pause, and a second one gives it back" if agent.phase == "paused" else "gives it back"
        lines.append(f"{kept_from[0].upper()}{kept_from[1:]}. 'serinus rollout resume {name}' {effect}.")
    lines += [f"The store is away: {agent.measure_here}."] if agent.measure_here else []
    lines += _judge_in_words(agent.judge) if agent.judge else []
    if agent.dismissed:
        lines.append(f"Dismissed by a person: {', '.join(agent.dismissed)}.")
    if agent.ignored_rules:
        lines.append(f"Rules towards a version that was rolled back are ignored: {'; '.join(agent.ignored_rules)}.")
    if agent.phase == "rolled_back":
        lines.append(
            f"It gets no traffic until {canary.version} changes, or someone runs 'serinus rollout retry {name}'."
        )
    return lines


def _judge_in_words(judge: JudgeView) -> list[str]:
    """Return what the judge of live calls does, what it found, and whether a guardrail acts on it."""
    found = (f"{name} {mean_score(each)} over {each.judged:,}" for name, each in judge.versions.items())
    means = f" Mean scores: {'; '.join(found)}." if judge.versions else ""
    return [f"Its judge, {judge.target}, {judge.state}.{means}", f"{judge.trust[0].upper()}{judge.trust[1:]}."]


def _standing(name: str, agent: AgentView, canary: str) -> str:
    share = f"{agent.weight * 100:g} %"
    phase = {
        "pending": "waits at 0 % for its evaluation",
        "running": f"is on trial with {share} of the traffic",
        "paused": f"is paused at {share} of the traffic",
        "rolled_back": "was rolled back and gets no traffic",
        "completed": "has passed its trial and serves every call",
    }.get(agent.phase or "", "waits for its trial to begin")
    step = f", step {agent.step} of {len(agent.steps)}" if len(agent.steps) > 1 else ""
    return f"{name}: {canary} {phase}, over {agent.stable.version}{step}."


def _last_change(agent: AgentView) -> str:
    """Return what was last decided; before the record has been read, why there is nothing to say."""
    decision = agent.last_decision
    if decision is None:
        return f"The rollout's history is not known here: {agent.reason}."
    action = decision.action.replace("_", " ")
    return f"The last change was {action} by {decision.actor} at {local_time(decision.at)}: {decision.reason}."


def _failures_in_words(agent: AgentView) -> list[str]:
    """Return why calls of each version fail, the latest causes first, each with its latest call."""
    lines: list[str] = []
    for name, version in agent.versions.items():
        for reason in version.reasons[:_MOST_REASONS]:
            counts = "" if reason.is_error else ", no error of the version"
            call = f"; last call {reason.calls[0]} at {local_time(reason.last_at)}" if reason.calls else ""
            lines.append(f"{name} failed {reason_in_words(reason)}{counts}{call}.")
    return lines


def _evidence_in_words(agent: AgentView) -> str:
    worst = max(agent.guardrails, key=lambda finding: finding.evidence, default=None)
    is_against = worst is not None and worst.e_value > 1
    against = f"; most of it from {worst.text}: {comparison(worst)}" if worst is not None and is_against else ""
    e_value = f"E = {evidence_number(agent.e_value)}: {rarity(agent.e_value)}"
    return f"The evidence against it is {e_value}. At {agent.threshold:g} it is rolled back{against}."


def _outlook_in_words(outlook: OutlookView) -> list[str]:
    low, high = outlook.error_ratio_low, outlook.error_ratio_high
    reach = f"between {low:.2g} and {high:.2g}" if high is not None else f"at least {low:.2g}"
    lines = [f"Its error rate is {reach} times stable's (95 %, at every look)."] if low or high is not None else []
    if outlook.canary_requests_to_rollback:
        lines.append(f"At this rate about {outlook.canary_requests_to_rollback} more canary requests would prove it.")
    return lines


def describe_escalation(handed: EscalationView) -> str:
    """Return the line of one conversation that went to people."""
    reply = handed.reply
    if reply is None:
        state = "waits for a reply" if handed.state == "waiting" else "had no reply in a week"
    else:
        seen = f"seen at {reply.delivered_at}" if reply.delivered_at else "not seen yet"
        state = f"{reply.actor} replied at {reply.at}, {seen}"
    further = f", {handed.calls} calls" if handed.calls > 1 else ""
    return f"{handed.at}  {handed.call_id}  {handed.agent} {handed.version}: {state}{further}"
