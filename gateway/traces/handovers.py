"""Handovers to people as branches of the calls that led to them: who took a conversation, when, and the reply."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from gateway.number_words import duration
from gateway.store.handover_seam import Handed
from gateway.traces.tree import MayName
from gateway.traces.view import CallView, ConversationTree, HandoverView
from gateway.views import timestamp


def with_handover(call: CallView, handed: Mapping[str, Handed], may_name: MayName, now: float) -> CallView:
    """Return a call with what became of its handover. `handed` are handovers by the ids of their calls."""
    if call.end != "escalated":
        return call
    return replace(call, handover=_view(call, handed.get(call.id), may_name, now))


def with_handovers(
    tree: ConversationTree, handed: Mapping[str, Handed], may_name: MayName, now: float
) -> ConversationTree:
    """Return a conversation's tree with what became of each of its calls that went to people."""
    steps = (
        step if step.call is None else replace(step, call=with_handover(step.call, handed, may_name, now))
        for step in tree.steps
    )
    beside = (with_handovers(each, handed, may_name, now) for each in tree.sub_agents)
    return replace(tree, steps=tuple(steps), sub_agents=tuple(beside))


def handover_words(handover: HandoverView) -> str:
    """Return what became of a handover: who took it, and when."""
    return ", ".join(_words(handover))


def _words(handover: HandoverView) -> Iterator[str]:
    if handover.joined:
        yield f"joined the handover of …{handover.escalation_id[-8:]}"
    else:
        yield "handed over"
    if handover.accepted_at is not None:
        yield f"the webhook took it after {_after(handover.at, handover.accepted_at)}"
    if handover.replied_at is not None:
        yield f"{handover.actor or 'a person'} replied after {_after(handover.at, handover.replied_at)}"
        seen = handover.seen_at
        yield "no later turn has seen it" if seen is None else f"a turn saw it after {_after(handover.at, seen)}"
    else:
        yield {"waiting": "waits for a reply", "expired": "no reply in a week"}.get(handover.state, "no longer kept")


def _view(call: CallView, handed: Handed | None, may_name: MayName, now: float) -> HandoverView:
    if handed is None:
        return HandoverView(call.id, "not kept", False, 1, call.ended_at, None, None, None, None)
    event, reply, seen, accepted = handed.event, handed.reply, handed.delivered_at, handed.accepted_at
    return HandoverView(
        event["call_id"], handed.state(now), event["call_id"] != call.id, handed.calls,
        timestamp(float(event["at"])), None if accepted is None else timestamp(accepted),
        None if reply is None else timestamp(reply.at),
        reply.actor if reply is not None and may_name(event["caller"]) else None,
        None if seen is None else timestamp(seen),
    )  # fmt: skip


def _after(begin: str, end: str) -> str:
    return duration(max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()))
