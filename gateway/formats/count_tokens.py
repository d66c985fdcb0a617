"""`POST /v1/messages/count_tokens`: how many tokens a request would take, without an answer to it.

A provider of this format is asked; for others there is an estimate, about what everybody's tokenizers come to.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.calls import MAX_TOKENS_COUNTED
from gateway.errors import ProviderError
from gateway.formats.anthropic.amend import amend
from gateway.formats.anthropic.errors import raise_error_inside
from gateway.formats.anthropic.provider_request import PATH
from gateway.formats.prompt import Media, Part, Prompt, Reasoning, Refusal, Text, ToolCall, ToolResult
from gateway.formats.provider_json import parse
from gateway.formats.settings import Settings
from gateway.json_body import Document, encode

COUNT_PATH: Final = f"{PATH}/count_tokens"

# What says how to answer and not what is asked: the endpoint takes none of it.
_NOT_COUNTED = (
    "max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "service_tier", "container",
    "inference_geo", "diagnostics",
)  # fmt: skip
_BYTES_PER_TOKEN = 4
_MEDIA_TOKENS = 1_600  # the most that Anthropic counts for an image of ordinary size; also taken for a file
_TURN_TOKENS = 4  # who speaks, and where it ends


def count_changes(document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
    """The members that a version changes in a client's question, as JSON texts; None takes out.

    Raises Untranslatable as a request to that model does.
    """
    return {**amend(document, settings, model), **dict.fromkeys(_NOT_COUNTED)}


def check_count(body: bytes) -> None:
    """Raise ProviderError when what a provider answered is no count."""
    members = parse(body)
    if isinstance(members, dict):
        raise_error_inside(members, body)
        tokens = members.get("input_tokens")
        if isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens <= MAX_TOKENS_COUNTED:
            return
    raise ProviderError("malformed", "the provider's answer is no count of tokens")


def count_answer(tokens: int) -> bytes:
    """The body of the answer."""
    return encode({"input_tokens": tokens}).encode()


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
