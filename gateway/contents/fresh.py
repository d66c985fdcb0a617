"""New messages of a call: clients repeat the whole conversation each time."""

from gateway.contents.content import CallContent, ContentMessage

_MOST_COMPARED = 400  # messages


def fresh_messages(content: CallContent, before: CallContent | None) -> tuple[ContentMessage, ...]:
    """Return the messages that came since the call before, without the answer that it had got.

    Where the two have nothing in common, all of them are new.
    """
    messages = content.messages
    if before is None or not before.messages:
        return messages
    start = _known(messages, before.messages)
    if start and start < len(messages) and messages[start].role == "assistant" and before.answer is not None:
        start += 1
    return messages[start:]


def _known(messages: tuple[ContentMessage, ...], before: tuple[ContentMessage, ...]) -> int:
    """Return how many of the first messages are those of the call before; of either the earliest may be left out."""
    if messages[: len(before)] == before:
        return len(before)
    leading = sum(message.role == "system" for message in messages[:4])
    rest = messages[leading:]
    for count in range(min(len(rest), len(before), _MOST_COMPARED), 0, -1):
        if rest[:count] == before[-count:]:
            return leading + count
    return 0
