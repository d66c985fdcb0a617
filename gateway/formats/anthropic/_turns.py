"""Write a prompt's messages as `system` and alternating turns.

Leading system messages are `system`; a later one stays in its place where the model takes that, and is told to the
user's side in `<system>` tags where not. Adjacent messages of one role become one turn, whose tool results come first.
"""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from gateway.formats.anthropic import NAME
from gateway.formats.claude.models import ClaudeModel
from gateway.formats.claude.tooling import arguments
from gateway.formats.prompt import Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from gateway.formats.turns import OPENING, leading_systems, merge_turns, nothing_to_answer, unsayable

Block = dict[str, Any]
_Turn = tuple[Literal["system", "user", "assistant"], list[Block]]

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_CACHED = {"type": "ephemeral"}
_FILE_ID = "file_"  # how ids of this API begin


def system(messages: Sequence[Message]) -> list[Block]:
    """The blocks of the system prompt: the leading system messages."""
    leading = leading_systems(messages)
    if len(leading) == len(messages):  # with nothing else to say the last one is what is asked
        leading = leading[:-1]
    return [block for message in leading for block in _system_blocks(message)]


def turns(messages: Sequence[Message], model: ClaudeModel) -> list[dict[str, Any]]:
    """The conversation. Raises Untranslatable for what no turn can hold."""
    rest = messages[len(leading_systems(messages)) :]
    if not rest and messages:
        rest = [Message("user", messages[-1].parts)]
    written = merge_turns(turn for message in rest for turn in _turns_of(message))
    written = merge_turns(_placed(written, model))
    if not written:
        raise nothing_to_answer()
    if written[0][0] == "assistant":
        written.insert(0, ("user", [_text(OPENING)]))
    if written[-1][0] == "assistant":
        if not model.continues:
            raise unsayable("this model does not continue an assistant's message; end with one of the user's")
        _strip_end(written[-1][1])
    return [{"role": role, "content": _results_first(blocks)} for role, blocks in written if blocks]


def _system_blocks(message: Message) -> list[Block]:
    blocks: list[Block] = []
    for part in message.parts:
        if not isinstance(part, Text):
            raise unsayable("a system message can hold text only here")
        blocks += _with_cache(_texts(part.text), part.cache)
    return blocks


def _turns_of(message: Message) -> list[_Turn]:
    if message.role == "system":
        return [("system", _system_blocks(message))]
    write = _user_part if message.role == "user" else _assistant_part
    blocks = [block for part in message.parts for block in write(part)]
    if message.name and message.role == "user":
        _sign(blocks, message.name)
    return [(message.role, blocks)]


def _placed(written: Sequence[_Turn], model: ClaudeModel) -> Iterable[_Turn]:
    """System turns where the API takes them: behind a user's turn, and last or before an assistant's."""
    for index, (role, blocks) in enumerate(written):
        if role != "system":
            yield role, blocks
            continue
        after = written[index + 1][0] if index + 1 < len(written) else "assistant"
        if model.later_system and index and written[index - 1][0] == "user" and after == "assistant":
            yield role, blocks
        else:
            yield "user", [{**block, "text": f"<system>\n{block['text']}\n</system>"} for block in blocks]


def _results_first(blocks: list[Block]) -> list[Block]:
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _strip_end(blocks: list[Block]) -> None:
    """The API refuses white space at the end of what the model is to continue."""
    if blocks[-1]["type"] == "text":
        text = blocks[-1]["text"].rstrip()
        blocks[-1:] = [{**blocks[-1], "text": text}] if text else []


def _sign(blocks: list[Block], name: str) -> None:
    """Put a participant's name before the text: this format has no member for it."""
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            blocks[index] = {**block, "text": f"{name}: {block['text']}"}
            return


def _user_part(part: Part) -> list[Block]:
    match part:
        case Text():
            return _with_cache(_texts(part.text), part.cache)
        case Media():
            return _with_cache([_media(part)], part.cache)
        case ToolResult():
            return _with_cache([_result(part)], part.cache)
        case Refusal():
            return _texts(part.text)
        case Reasoning():
            return []
    raise unsayable("a user's message cannot hold tool calls")


def _assistant_part(part: Part) -> list[Block]:
    match part:
        case Text():
            return _with_cache(_texts(part.text), part.cache)
        case Refusal():
            return _texts(part.text)
        case Reasoning():
            return _reasoning(part)
        case ToolCall():
            return _with_cache([_call(part)], part.cache)
    raise unsayable("an assistant's message can hold text and tool calls only here; move media to a user's message")


def _result(result: ToolResult) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": result.call_id}
    content = [each for part in result.parts for each in _user_part(part)]
    if content:
        block["content"] = content
    if result.is_error:
        block["is_error"] = True
    return block


def _call(call: ToolCall) -> Block:
    value = arguments(call.arguments)
    if value is None:
        raise unsayable(f"the arguments of the call {call.id!r} must be a JSON object here")
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": value}


def _reasoning(thought: Reasoning) -> list[Block]:
    """A thought that this API has signed; no other is taken, and none is needed."""
    if thought.signed_by != NAME:
        return []
    if thought.encrypted:
        return [{"type": "redacted_thinking", "data": thought.encrypted}]
    return [{"type": "thinking", "thinking": thought.text, "signature": thought.signature}] if thought.signature else []


def _media(media: Media) -> Block:
    if media.file_id:
        if not media.file_id.startswith(_FILE_ID):
            raise unsayable(f"the file {media.file_id!r} belongs to another provider; send its content as base64")
        return _source(media, {"type": "file", "file_id": media.file_id})
    if media.url and not media.url.startswith(("https://", "http://")):
        raise unsayable(f"the provider cannot open {media.url[:40]!r}; send an https URL, or the content as base64")
    if media.kind == "image":
        return _image(media)
    if media.kind == "file":
        return _document(media)
    raise unsayable(f"{media.kind} is not accepted here; send text, images, PDF or text files")


def _image(media: Media) -> Block:
    if media.url:
        return _source(media, {"type": "url", "url": media.url})
    if media.mime not in _IMAGES:
        raise unsayable(f"images of type {media.mime or 'unknown'!r} are not taken here; send {', '.join(_IMAGES)}")
    return _source(media, {"type": "base64", "media_type": media.mime, "data": media.data})


def _document(media: Media) -> Block:
    if media.url:
        return _source(media, {"type": "url", "url": media.url})
    if media.mime == "application/pdf":
        return _source(media, {"type": "base64", "media_type": media.mime, "data": media.data})
    if media.mime.startswith("text/") or media.mime in ("application/json", "application/xml"):
        return _source(media, {"type": "text", "media_type": "text/plain", "data": _decoded(media)})
    if media.mime in _IMAGES:
        return _image(media)
    raise unsayable(f"files of type {media.mime or 'unknown'!r} are not taken here; send PDF or text")


def _source(media: Media, source: dict[str, Any]) -> Block:
    is_image = media.kind == "image" or media.mime in _IMAGES
    block: Block = {"type": "image" if is_image else "document", "source": source}
    if media.name and not is_image:
        block["title"] = media.name
    return block


def _decoded(media: Media) -> str:
    try:
        return b64decode(media.data, validate=True).decode()
    except (NotBase64, UnicodeDecodeError, ValueError):
        raise unsayable(f"the file {media.name!r} is not base64 of UTF-8 text") from None


def _texts(text: str) -> list[Block]:
    """The API refuses texts of nothing but white space."""
    return [_text(text)] if text.strip() else []


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _with_cache(blocks: list[Block], cache: bool) -> list[Block]:
    return [*blocks[:-1], {**blocks[-1], "cache_control": _CACHED}] if cache and blocks else blocks
