"""Forms with which a person acts on a rollout: each verb with what it does, a reason, and the admin token."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.pages.html import Markup, tag
from gateway.rollout.status_view import AgentView
from gateway.rollout.status_words import weight

LONGEST_TEXT = 500
LET_IN = "approve-without-evaluation"


@dataclass(frozen=True, slots=True)
class ActionForms:
    """The address that the forms post to. `refusal` is what became of the last one, `done` that it was carried out."""

    address: str
    refusal: str = ""
    done: str = ""


def actions(agent: AgentView, forms: ActionForms) -> Markup:
    """Return the section with what can be done now."""
    if agent.canary is None:
        return tag("section", id="actions", hidden=True)
    offered = list(_offered(agent, agent.canary.version))
    fields = tag("div", *_fields(agent, offered), class_="fields")
    form = tag("form", fields, method="post", action=forms.address, autocomplete="off", id="act")
    nothing = tag("p", "Nothing can be done about this rollout now.")
    return tag("section", tag("h2", "What to do"), form if offered else nothing, id="actions")


def result_of_action(forms: ActionForms) -> Markup:
    """Return the place that says what became of the last action."""
    kind = "done" if forms.done else "refusal" if forms.refusal else None
    return tag("p", forms.done or forms.refusal, id="said", class_=kind, role="status")


def _offered(agent: AgentView, canary: str) -> Iterator[tuple[str, str, str]]:
    """Yield each verb that makes sense now, its name, and what it does."""
    stable = agent.stable.version
    step = agent.steps[agent.step - 1] if 0 < agent.step <= len(agent.steps) else None
    if agent.phase in ("running", "paused", "completed"):
        yield "abort", "Roll back", f"{canary} gets no more traffic; {stable} serves every call."
    if agent.phase == "running":
        yield "pause", "Pause", f"{canary} keeps its share, and nothing goes on by itself."
    if agent.phase == "paused" or agent.excluded:
        yield "resume", "Resume", "The trial goes on; who was kept off gets the canary again."
    if agent.phase in ("running", "paused"):
        if step is not None and step.approval and not agent.approved:
            yield "approve", "Approve this step", "The next step may begin once all else is met."
        is_last = agent.step >= len(agent.steps)
        if is_last:
            yield "promote-to-end", "Promote to every call", f"{canary} serves every call from now on."
        else:
            share = agent.steps[agent.step].weight if agent.step < len(agent.steps) else 1.0
            yield "promote", "Promote to the next step", f"{canary} gets {weight(share)} of the traffic."
    if agent.phase == "pending":
        yield LET_IN, "Begin without an evaluation", f"{canary} gets its share; the audit says by whom and why."
    if agent.phase == "rolled_back":
        yield "retry", "Try again", f"{canary} gets its share again, with new evidence."


def _fields(agent: AgentView, offered: list[tuple[str, str, str]]) -> Iterator[Markup]:
    choices = []
    for verb, name, effect in offered:
        choice = tag("input", type="radio", name="verb", value=verb, required=True, id=f"verb-{verb}")
        choices.append(tag("label", choice, tag("b", f" {name}. "), tag("span", effect), for_=f"verb-{verb}"))
    yield tag("fieldset", tag("legend", "Do this"), *choices)
    yield tag("label", "Reason, for the audit", tag("input", name="reason", required=True, maxlength=LONGEST_TEXT))
    yield tag("label", "Your name", tag("input", name="actor", required=True, maxlength=LONGEST_TEXT))
    token = tag("input", type="password", autocomplete="off", id="token")
    yield tag("label", "Admin token (stays in this page)", token, class_="token")
    sure = tag("input", type="checkbox", name="sure", value="yes", required=True)
    yield tag("label", sure, " I have looked at what this does.", class_="sure")
    yield tag("input", type="hidden", name="epoch", value=agent.epoch)
    yield tag("button", "Do it")
