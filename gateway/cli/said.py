"""Texts of a call as lines of `serinus trace ID --content`; whoever prints them escapes what a terminal obeys."""

from collections.abc import Iterator

from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.contents.fresh import fresh_messages

_ROLE = 9  # characters of the column that says who speaks
_LONGEST = 2_000  # characters of a part; `--json` has all of them


def asked_lines(content: CallContent, before: CallContent | None) -> Iterator[str]:
    """Return the lines of what a request brought that the call before had not."""
    if content.left_out:
        yield f"{'':<{_ROLE}} … {content.left_out} earlier messages left out"
    for message in fresh_messages(content, before):
        yield from _lines(message, message.role)


def answer_lines(content: CallContent) -> list[str]:
    """Return the lines of the answer."""
    if content.answer is None:
        return []
    said = [line for part in content.answer.parts for line in _part(part)]
    return said if content.complete else [*said, "… (not whole)"]


def _lines(message: ContentMessage, name: str) -> Iterator[str]:
    for part in message.parts:
        for line in _part(part):
            yield f"{name:<{_ROLE}} {line}"
            name = ""


def _part(part: ContentPart) -> list[str]:
    """Return a part as lines; a text in quotes, so that nobody takes it for a line of ours."""
    text = part.text if len(part.text) <= _LONGEST else f"{part.text[:_LONGEST]}… [{len(part.text) - _LONGEST:,} more]"
    if part.kind == "tool_call":
        return [f"calls {part.name}({text})"]
    if part.kind == "tool_result":
        return [f"{'error' if part.error else 'result'} of {part.name or part.id}: “{text}”"]
    if part.kind == "media":
        return [f"[{text}]"]
    said = text.split("\n")
    opened = f"“{said[0]}" if part.kind in ("text", "refusal") else f"({part.kind}) “{said[0]}"
    return [f"{opened}”"] if len(said) == 1 else [opened, *(f" {line}" for line in said[1:-1]), f" {said[-1]}”"]
