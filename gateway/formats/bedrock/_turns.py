"""Write a prompt's messages as Converse's `system` and alternating turns, the user's first.

Leading system messages are `system`, a later one is told by the user in `<system>` tags. Adjacent messages of one role
become one turn, whose tool results come first.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from gateway.formats.bedrock import NAME
from gateway.formats.bedrock._media import tell_apart, write_media
from gateway.formats.claude.tooling import arguments
from gateway.formats.prompt import (
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from gateway.formats.turns import OPENING, leading_systems, merge_turns, nothing_to_answer, unsayable

Block = dict[str, Any]
_Turn = tuple[Literal["user", "assistant"], list[Block]]

CACHE_POINT: Block = {"cachePoint": {"type": "default"}}

_ABOUT_FILES = "(See the document.)"  # a document must not come without text
_EMPTY_RESULT = "(empty)"  # nor a result without content


class BedrockConversation(NamedTuple):
    """The members `system` and `messages`."""

    system: list[Block]
    messages: list[Block]


def write_conversation(messages: Sequence[Message], cache: bool) -> BedrockConversation:
    """The conversation; `cache` says whether the model knows cache points. Raises Untranslatable."""
    leading = leading_systems(messages)
    rest = list(messages[len(leading) :])
    if leading and not rest:  # with nothing else to say the last one is what is asked
        rest = [Message("user", leading.pop().parts)]
    system = [block for message in leading for block in _blocks(message, cache)]
    turns = merge_turns(_turn(message, cache) for message in rest)
    if not turns:
        raise nothing_to_answer()
    if turns[0][0] == "assistant":
        turns.insert(0, ("user", [{"text": OPENING}]))
    _strip_end(turns)
    _settle_documents(turns)
    return BedrockConversation(
        system, [{"role": role, "content": _results_first(blocks)} for role, blocks in turns if blocks]
    )


def _turn(message: Message, cache: bool) -> _Turn:
    """A message behind the leading system messages."""
    blocks = _blocks(message, cache)
    if message.role == "assistant":
        return "assistant", blocks
    if message.role == "system":
        blocks = [_tagged(block) for block in blocks]
    elif message.name:
        _sign(blocks, message.name)
    return "user", blocks


def _tagged(block: Block) -> Block:
    return {"text": f"<system>\n{block['text']}\n</system>"} if "text" in block else block


def _sign(blocks: list[Block], name: str) -> None:
    """Put a participant's name before the text: this format has no member for it."""
    for block in blocks:
        if "text" in block:
            block["text"] = f"{name}: {block['text']}"
            return


def _blocks(message: Message, cache: bool) -> list[Block]:
    write = {"system": _system_part, "user": _user_part, "assistant": _assistant_part}[message.role]
    blocks: list[Block] = []
    for part in message.parts:
        written = write(part)
        blocks += written
        if written and cache and not isinstance(part, Reasoning | Refusal) and part.cache:
            blocks.append(CACHE_POINT)
    return blocks


def _strip_end(turns: list[_Turn]) -> None:
    """White space is refused at the end of what the model is to continue."""
    role, blocks = turns[-1]
    if role == "assistant" and "text" in blocks[-1]:
        text = blocks[-1]["text"].rstrip()
        blocks[-1:] = [{"text": text}]


def _settle_documents(turns: list[_Turn]) -> None:
    for _, blocks in turns:
        if any("document" in block for block in blocks) and not any("text" in block for block in blocks):
            blocks.append({"text": _ABOUT_FILES})
    tell_apart([block for _, blocks in turns for block in blocks])


def _results_first(blocks: list[Block]) -> list[Block]:
    """Tool results, each with the cache point behind it, then the rest."""
    results: list[Block] = []
    others: list[Block] = []
    current = others
    for block in blocks:
        if "cachePoint" not in block:
            current = results if "toolResult" in block else others
        current.append(block)
    return results + others


def _texts(text: str) -> list[Block]:
    """No block for what is blank: it would be refused."""
    return [{"text": text}] if text.strip() else []


def _system_part(part: Part) -> list[Block]:
    if not isinstance(part, Text):
        raise unsayable("a system message can hold text only")
    return _texts(part.text)


def _user_part(part: Part) -> list[Block]:
    match part:
        case Text() | Refusal():
            return _texts(part.text)
        case Media():
            return [write_media(part)]
        case ToolResult():
            return [_result(part)]
        case Reasoning():
            return []
    raise unsayable("a user's message cannot hold tool calls")


def _assistant_part(part: Part) -> list[Block]:
    match part:
        case Text() | Refusal():
            return _texts(part.text)
        case Reasoning():
            return _reasoning(part)
        case ToolCall():
            return [_call(part)]
    raise unsayable("an assistant's message can hold text and tool calls only; move media to a user's message")


def _result(result: ToolResult) -> Block:
    content = [block for part in result.parts for block in _user_part(part)]
    status = {"status": "error"} if result.is_error else {}
    return {"toolResult": {"toolUseId": result.call_id, "content": content or [{"text": _EMPTY_RESULT}], **status}}


def _call(call: ToolCall) -> Block:
    value = arguments(call.arguments)
    if value is None:
        raise unsayable(f"the arguments of the call {call.id!r} must be a JSON object")
    return {"toolUse": {"toolUseId": call.id, "name": call.name, "input": value}}


def _reasoning(thought: Reasoning) -> list[Block]:
    """A thought that Bedrock has signed; no other is taken, and none is needed."""
    if thought.signed_by != NAME:
        return []
    if thought.encrypted:
        return [{"reasoningContent": {"redactedContent": thought.encrypted}}]
    return [{"reasoningContent": {"reasoningText": {"text": thought.text, "signature": thought.signature}}}]
