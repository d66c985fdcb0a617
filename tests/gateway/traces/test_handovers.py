"""Handovers to people as branches of a call: who took a conversation and when, the reply, or that none came."""

from typing import Any

import pytest

from gateway.cli.traces import tree_lines
from gateway.store.handover_seam import FOLLOWED_SECONDS, Handed, HumanReply
from gateway.traces.handovers import with_handovers
from gateway.traces.record import CallRecord
from gateway.traces.tree import tree_of
from gateway.traces.view import ConversationTree
from gateway.views import timestamp
from tests.support.traces import T0, made

REPLY = HumanReply("id-1", "k", "It is at the depot.", "kim", T0 + 481)


def escalated(key: str, at: float) -> CallRecord:
    return made(key, at, end="escalated")


def handed(**more: Any) -> Handed:
    usual: dict[str, Any] = {"reply": None, "delivered_at": None, "accepted_at": T0 + 2.5}
    return Handed({"call_id": "id-1", "at": str(T0 + 1), "caller": "web"}, **(usual | more))


def tree(
    *records: CallRecord, found: dict[str, Handed], now: float = T0 + 60, is_theirs: bool = True
) -> ConversationTree:
    return with_handovers(tree_of(records, [], lambda _: is_theirs), found, lambda _: is_theirs, now)


def people(found: ConversationTree) -> list[str]:
    return [line.strip("│ ") for line in tree_lines(found) if "person  " in line]


@pytest.mark.parametrize(
    ("handover", "now", "words"),
    [
        (handed(), 60, "handed over, the webhook took it after 1.5 s, waits for a reply"),
        (handed(accepted_at=None), 60, "handed over, waits for a reply"),
        (handed(), FOLLOWED_SECONDS + 9, "handed over, the webhook took it after 1.5 s, no reply in a week"),
        (handed(reply=REPLY), 999, "handed over, the webhook took it after 1.5 s, kim replied after 8 min, "
                                   "no later turn has seen it"),
        (handed(reply=REPLY, delivered_at=T0 + 541), 999, "handed over, the webhook took it after 1.5 s, "
                                                          "kim replied after 8 min, a turn saw it after 9 min"),
    ],
)  # fmt: skip
def test_what_became_of_a_handover(handover: Handed, now: float, words: str) -> None:
    """A branch of the call, in words and as values."""
    found = tree(escalated("1", 0), made("2", 600), found={"id-1": handover}, now=T0 + now)
    assert people(found) == [f"person    {words}"]
    first, *rest = [step.call for step in found.steps if step.call is not None]
    assert first.handover is not None and first.handover.escalation_id == "id-1"
    assert first.handover.at == timestamp(T0 + 1) and [each.handover for each in rest] == [None]


def test_a_call_that_joined_a_handover() -> None:
    """It leads to the call that opened it, which is the one to reply to."""
    found = tree(escalated("1", 0), escalated("2", 30), found=dict.fromkeys(("id-1", "id-2"), handed(calls=2)))
    assert people(found)[1].startswith("person    joined the handover of …id-1, ")
    last = found.steps[-1].call
    assert last is not None and last.handover is not None
    assert (last.handover.joined, last.handover.escalation_id, last.handover.calls) == (True, "id-1", 2)


def test_a_handover_that_is_kept_no_more() -> None:
    """The call's record outlives it, or it was never stored: nothing is made up."""
    assert people(tree(escalated("1", 0), found={})) == ["person    handed over, no longer kept"]


def test_a_sub_agent_has_its_own() -> None:
    """Wherever in the tree a call went to people."""
    found = tree(made("1", 0), made("2", 5, end="escalated", sub_agent="explorer"), found={"id-2": handed()})
    assert len(people(found)) == 1


def test_who_replied_is_not_for_everybody() -> None:
    """A key that did not make the call sees that a person has replied, and not who."""
    found = tree(escalated("1", 0), found={"id-1": handed(reply=REPLY)}, is_theirs=False)
    assert "a person replied after 8 min" in people(found)[0] and "kim" not in repr(found)
