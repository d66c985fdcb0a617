"""Which call answered a named conversation last, as one replica knows it until the store does."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.conversation import conversation_key
from gateway.rollout.named_conversations import Conversations
from tests.support.trials import outcome

NAMED = "web", conversation_key("web", "chat-1")


def noted(*outcomes: Any, found: Conversations | None = None) -> Conversations:
    found = found or Conversations()
    for number, each in enumerate(outcomes, 1):
        found.note(replace(each, conversation=each.conversation or "chat-1", call_id=f"c-{number}"))
    return found


def test_the_last_answer_stands_for_it() -> None:
    """An earlier one, another caller's and another agent's do not."""
    found = noted(outcome(), outcome(), replace(outcome(), caller="other"), replace(outcome(), agent="b"))
    assert found.find("a", NAMED) == "c-2" and sorted(found.agents()) == ["a", "b"]


@pytest.mark.parametrize("end", ["escalated", "failed", "broken", "client_gone", "refused"])
def test_what_no_version_answered_is_not_noted(end: Any) -> None:
    """There is nothing to score."""
    assert noted(outcome(end=end)).find("a", NAMED) is None


def test_a_shadows_copy_is_not_noted() -> None:
    """It bears the id of the call that it copies, and nobody saw its answer."""
    assert noted(outcome(reason="shadow")).find("a", NAMED) is None


def test_memory_is_bounded() -> None:
    """While the store is away the latest are kept, and names of any length cost the same."""
    found = noted(
        *(replace(outcome(), conversation=f"{number}" * 100_000) for number in range(5)), found=Conversations(3)
    )
    assert sorted(found.of("a").values()) == ["c-3", "c-4", "c-5"]
    assert all(len(key) == 32 for _, key in found.of("a"))


def test_what_was_answered_meanwhile_still_waits() -> None:
    """The store has the older call: the newer one follows."""
    found = noted(outcome())
    calls = found.of("a")
    found.note(replace(outcome(), conversation="chat-1", call_id="c-9"))
    found.stored("a", calls)
    assert found.find("a", NAMED) == "c-9"
    found.stored("a", found.of("a"))
    assert not found.agents() and found.find("a", NAMED) is None
