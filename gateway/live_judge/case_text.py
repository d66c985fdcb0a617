"""Texts of a recorded call as a judge reads them: who said what, which tools were called, and the answer."""

from collections.abc import Iterable, Iterator
from typing import Final

from gateway.contents.content import CallContent, ContentMessage, ContentPart

_MOST_CONVERSATION: Final = 40_000  # characters, of the latest messages
_MOST_ANSWER: Final = 40_000
_CUT: Final = "[earlier messages are left out]\n"


def case_texts(content: CallContent) -> tuple[str, str]:
    """Return the conversation and the answer; of a long conversation its latest part."""
    conversation = "\n".join(f"{message.role}: {_text(message)}" for message in content.messages)
    if len(conversation) > _MOST_CONVERSATION or content.left_out:
        conversation = f"{_CUT}{conversation[-_MOST_CONVERSATION:]}"
    return conversation, "" if content.answer is None else _text(content.answer)[:_MOST_ANSWER]


def _text(message: ContentMessage) -> str:
    return "\n".join(_lines(message.parts))


def _lines(parts: Iterable[ContentPart]) -> Iterator[str]:
    for part in parts:
        match part.kind:
            case "text" | "refusal":
                yield part.text
            case "tool_call":
                yield f"[calls {part.name} with {part.text}]"
            case "tool_result":
                yield f"[{part.name or 'a tool'} {'failed with' if part.error else 'returned'} {part.text}]"
            case "media" | "unread":
                yield f"[{part.kind}: {part.text[:200]}]"
            case _:  # thoughts, which the client does not see
                continue
