"""Reading of what was heard of a call: request and answer in the client's format become the content that is kept.

Work is done in slices of some milliseconds, off the path of every call.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson

from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.contents.pieces import AnswerPieces
from gateway.contents.selection import CUT, head_of, with_margin
from gateway.errors import ProviderError, SerinusError
from gateway.formats.framing import SseFramer
from gateway.formats.prompt import Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from gateway.formats.registry import CLIENTS, PROVIDERS
from gateway.heard import HeardCall
from gateway.tool_use import writable

_AT_ONCE = 32 << 10  # bytes of a stream that are read without a pause: a millisecond or two
_LONGEST_ADDRESS = 200
_LEAST_ANSWER_SHARE = 4
_Json = Mapping[str, Any]


async def read(heard: HeardCall, format_: str, *, stream: bool, is_answered: bool) -> CallContent:
    """Return the content of a call whose texts are still as they came. `is_answered`: the client got an answer, or its
    beginning."""
    request = heard.request
    messages = [] if request is None else _with_names(_messages(format_, request.members))
    answer, is_complete, is_cut = None, True, False
    if is_answered:
        parts, is_complete = await _answer(heard, format_, stream=stream)
        most = heard.rules.call_bytes
        room = max(most // _LEAST_ANSWER_SHARE, most - sum(_size(message.parts) for message in messages))
        parts, is_cut = _within(parts, room)
        answer = ContentMessage("assistant", parts)
        is_complete = is_complete and not heard.is_cut
    return CallContent(
        tuple(messages),
        answer,
        0 if request is None else request.left_out,
        is_cut or heard.is_cut or request is None or request.is_cut,
        is_complete,
    )


def _messages(format_: str, members: _Json) -> Iterable[ContentMessage]:
    """Return a request's messages. Those that nobody can read stand as they came."""
    try:
        yield from map(_message, CLIENTS[format_].prompt(members).messages)
    except (SerinusError, RecursionError):
        yield from _each_message(format_, members)


def _with_names(messages: Iterable[ContentMessage]) -> list[ContentMessage]:
    """Return the messages with the name of each tool at its result, which formats tell by the call's id alone."""
    found, names = list[ContentMessage](), dict[str, str]()
    for message in messages:
        parts = tuple(
            replace(part, name=names[part.id])
            if part.kind == "tool_result" and not part.name and part.id in names
            else part
            for part in message.parts
        )
        names.update((part.id, part.name) for part in parts if part.kind == "tool_call" and part.id)
        found.append(ContentMessage(message.role, parts))
    return found


def _each_message(format_: str, members: _Json) -> Iterable[ContentMessage]:
    side = CLIENTS[format_]
    layout = side.facts.conversation
    asked = members.get(layout.member)
    items = asked if isinstance(asked, list) else [asked]
    for name in layout.system:
        if name in members:
            yield ContentMessage("system", (ContentPart("unread", _as_json(members[name])),))
    for item in items:
        try:
            yield from map(_message, side.prompt({layout.member: [item]}).messages)
        except (SerinusError, RecursionError):
            yield ContentMessage("user", (ContentPart("unread", _as_json(item)),))


async def _answer(heard: HeardCall, format_: str, *, stream: bool) -> tuple[tuple[ContentPart, ...], bool]:
    """Return the parts of the answer, and whether it came to its end."""
    side, answer = PROVIDERS[format_], heard.answer
    if not stream:
        try:
            return tuple(map(_part, side.reply(bytes(answer)).parts)), True
        except (ProviderError, RecursionError):
            return _unread(answer), True
    pieces, framer, parser = AnswerPieces(), SseFramer(), side.parser()
    try:
        for first in range(0, len(answer), _AT_ONCE):
            for frame in framer.feed(bytes(answer[first : first + _AT_ONCE])):
                pieces.add_all(parser.take(frame.name, frame.data))
            await asyncio.sleep(0)
        for frame in framer.end():
            pieces.add_all(parser.take(frame.name, frame.data))
        pieces.add_all(parser.end())
    except (ProviderError, RecursionError):  # the stream broke, or ends with an error event
        pass
    return tuple(map(_part, pieces.parts())), pieces.is_over


def _unread(answer: bytearray) -> tuple[ContentPart, ...]:
    return (ContentPart("unread", answer.decode("utf-8", "replace")),)


def _message(message: Message) -> ContentMessage:
    parts = tuple(_part(part) for part in message.parts)
    is_tool = message.role == "user" and bool(parts) and all(part.kind == "tool_result" for part in parts)
    return ContentMessage("tool" if is_tool else message.role, parts)


def _part(part: Part) -> ContentPart:
    match part:
        case Text(text):
            return ContentPart("text", writable(text))
        case Reasoning():
            return ContentPart("reasoning", writable(part.text))
        case Refusal(text):
            return ContentPart("refusal", writable(text))
        case ToolCall():
            return ContentPart("tool_call", writable(_plain_json(part.arguments)), part.id, part.name)
        case ToolResult():
            text = "\n".join(each.text if isinstance(each, Text) else _shown(each) for each in part.parts)
            return ContentPart("tool_result", writable(text), part.call_id, part.name, part.is_error)
        case Media():
            return ContentPart("media", writable(_shown(part)), name=part.name)


def _shown(media: Media) -> str:
    """Return what is said of an image, a recording or a file: never what is in it."""
    address = media.url or media.file_id
    return " ".join(filter(None, (media.kind, media.mime, address[:_LONGEST_ADDRESS])))


def _plain_json(text: str) -> str:
    """Return JSON without escapes, behind which a secret would not be found."""
    with suppress(orjson.JSONDecodeError):
        return orjson.dumps(orjson.loads(text)).decode()
    return text


def _as_json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except (orjson.JSONEncodeError, RecursionError):  # a lone surrogate, a number that is too large
        return repr(value)


def _within(parts: tuple[ContentPart, ...], room: int) -> tuple[tuple[ContentPart, ...], bool]:
    """Return the parts of an answer as far as there is room for them, and whether any was cut."""
    kept, is_cut = list[ContentPart](), False
    for part in parts:
        head = head_of(part.text, max(room, 0))
        room -= len(head.encode("utf-8", "replace")) + len(part.id) + len(part.name)
        if len(head) < len(part.text):
            is_cut, part = True, replace(part, text=with_margin(part.text, len(head)))
        elif CUT in head:
            part = replace(part, text=head.replace(CUT, ""))
        kept.append(part)
        if room <= 0 and is_cut:
            break
    return tuple(kept), is_cut or len(kept) < len(parts)


def _size(parts: Iterable[ContentPart]) -> int:
    return sum(len(part.text) for part in parts)
