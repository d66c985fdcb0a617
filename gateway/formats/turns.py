"""Turns of a conversation, as APIs want them whose system prompt stands apart and whose roles alternate."""

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, TypeVar

from gateway.formats.prompt import Message, Untranslatable

OPENING = "(The conversation begins with your message.)"  # for an API whose first turn must be the user's

_RoleName = TypeVar("_RoleName", bound=str)


def leading_systems(messages: Sequence[Message]) -> list[Message]:
    """Return the system messages that the conversation begins with."""
    return list(takewhile(lambda message: message.role == "system", messages))


def merge_turns(
    written: Iterable[tuple[_RoleName, list[dict[str, Any]]]],
) -> list[tuple[_RoleName, list[dict[str, Any]]]]:
    """Return the turns with neighbours of one role joined, and without those that say nothing."""
    merged: list[tuple[_RoleName, list[dict[str, Any]]]] = []
    for role, blocks in written:
        if not blocks:
            continue
        if merged and merged[-1][0] == role:
            merged[-1][1].extend(blocks)
        else:
            merged.append((role, list(blocks)))
    return merged


def unsayable(message: str) -> Untranslatable:
    """Return the error of messages that hold what no turn can say."""
    return Untranslatable(message, param="messages")


def nothing_to_answer() -> Untranslatable:
    """Return the error of a conversation without a word to answer."""
    return unsayable("messages hold nothing to answer; send at least one with text")
