"""A single leading system message: templates of many open models refuse more of them, or later ones.

OpenAI's own servers take them anywhere. Elsewhere the leading ones become one, and a later one stands, between <system>
tags, in the user's turn, as it does for Gemini.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.json_body import Document, array, elements, encode
from gateway.prompts.prompt_text import PromptText

Message = Mapping[str, Any]

_SYSTEM = ("system", "developer")


def with_one_system(messages: Sequence[Any]) -> list[Any]:
    """The messages with one system message at most, and that first. What stays as it is stays the very same object."""
    leading = count_leading(messages)
    kept: list[Any] = list(messages[:leading])
    if leading > 1:
        kept = [{"role": "system", "content": _joined([each.get("content") for each in kept])}]
    for run in _runs(messages[leading:]):
        kept.append(run[0] if len(run) == 1 else {**run[0], "content": "\n\n".join([each["content"] for each in run])})
    return kept


def _runs(messages: Sequence[Any]) -> Iterator[list[Any]]:
    """The messages, later system messages as the user's; together what becomes one turn of the user."""
    run: list[Any] = []
    was_late = False
    for message in messages:
        late = _is_system(message)
        if late:
            message = {"role": "user", "content": _tagged(message.get("content"))}
        if run and not ((late or was_late) and _is_plain_user(run[-1]) and _is_plain_user(message)):
            yield run
            run = []
        run.append(message)
        was_late = late
    if run:
        yield run


def system_changes(document: Document, prompt: PromptText) -> str | None:
    """A client's messages behind the version's with one system message, as JSON text; None where nothing changes but
    that the version's come first."""
    text = document.texts["messages"]
    if '"system"' not in text and '"developer"' not in text:
        return None
    messages, leading = document.values["messages"], count_leading(document.values["messages"])
    own = [] if prompt.system is None else [{"role": "system", "content": prompt.system}]
    turns = [{"role": turn.role, "content": turn.content} for turn in prompt.turns]
    made = with_one_system([*own, *messages[:leading], *turns, *messages[leading:]])
    versions = {*map(id, own), *map(id, turns)}
    if [id(each) for each in made if id(each) not in versions] == [*map(id, messages)]:
        return None
    texts = {id(message): source for message, source in zip(messages, elements(text), strict=True)}
    return array([texts.get(id(message)) or encode(message) for message in made])


def count_leading(messages: Sequence[Any]) -> int:
    """Return how many system messages there are at the beginning."""
    return next((at for at, each in enumerate(messages) if not _is_system(each)), len(messages))


def _is_system(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") in _SYSTEM


def _is_plain_user(message: Any) -> bool:
    return isinstance(message, Mapping) and message.get("role") == "user" and isinstance(message.get("content"), str)


def _joined(contents: Sequence[Any]) -> Any:
    """Texts are one text; parts with marks or media stay parts."""
    texts = [_plain(content) for content in contents]
    if None not in texts:
        return "\n\n".join(text for text in texts if text)
    return [part for content in contents for part in _parts(content)]


def _tagged(content: Any) -> Any:
    text = _plain(content)
    if text is not None:
        return _tag(text)
    return [{**part, "text": _tag(part["text"])} if is_text(part) else part for part in _parts(content)]


def _tag(text: str) -> str:
    return f"<system>\n{text}\n</system>"


def _plain(content: Any) -> str | None:
    """The text of a content that is nothing but text; None for any other."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    parts = _parts(content)
    if not all(is_text(part) and part.keys() == {"type", "text"} for part in parts):
        return None
    return "\n\n".join(part["text"] for part in parts)


def _parts(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return content if isinstance(content, list) else []


def is_text(part: Any) -> bool:
    """Return whether a part of a content is a text, whatever marks it bears."""
    return isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str)
