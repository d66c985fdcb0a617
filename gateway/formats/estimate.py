"""About how many tokens a prompt takes, for whom no provider can be asked: what everybody's tokenizers come to."""

from collections.abc import Mapping
from typing import Any

from gateway.formats.prompt import Media, Part, Prompt, Reasoning, Refusal, Text, ToolCall, ToolResult
from gateway.json_body import encode

_BYTES_PER_TOKEN = 4
_MEDIA_TOKENS = 1_600  # the most that Anthropic counts for an image of ordinary size; also taken for a file
_TURN_TOKENS = 4  # who speaks, and where it ends


def estimate(prompt: Prompt) -> int:
    """About how many tokens a prompt takes: one for four bytes of what is said, and a round number for an image."""
    parts = [part for message in prompt.messages for part in message.parts]
    said = sum(map(_bytes, parts)) + sum(map(_size, (tool.description for tool in prompt.tools)))
    said += sum(_size(tool.name) + _schema_size(tool.schema) for tool in prompt.tools)
    said += _schema_size(prompt.output.schema) if prompt.output else 0
    media = sum(map(_media, parts)) * _MEDIA_TOKENS
    return -(-said // _BYTES_PER_TOKEN) + media + len(prompt.messages) * _TURN_TOKENS


def _bytes(part: Part) -> int:
    match part:
        case Text() | Refusal() | Reasoning():
            return _size(part.text)
        case ToolCall():
            return _size(part.name) + _size(part.arguments)
        case ToolResult():
            return sum(map(_bytes, part.parts))
    return len(part.data) * 3 // 4 if _is_text(part) else 0


def _media(part: Part) -> int:
    """Count the images and files, without those whose text was counted."""
    if isinstance(part, ToolResult):
        return sum(map(_media, part.parts))
    return isinstance(part, Media) and not _is_text(part)


def _is_text(media: Media) -> bool:
    return media.mime.startswith("text/") and bool(media.data)


def _schema_size(schema: Mapping[str, Any] | None) -> int:
    return _size(encode(schema)) if schema else 0


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
