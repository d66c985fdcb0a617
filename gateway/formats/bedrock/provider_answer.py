"""A whole answer of Converse."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.calls import Usage, tokens
from gateway.errors import ProviderError
from gateway.formats.answer import Reply, Stop
from gateway.formats.bedrock import NAME
from gateway.formats.claude.tooling import OUTPUT_TOOL
from gateway.formats.ends import check_end
from gateway.formats.prompt import Media, Part, Reasoning, Text, ToolCall
from gateway.formats.provider_json import parse
from gateway.formats.tiers import with_tier
from gateway.json_body import NotJson, encode

Members = dict[str, Any]

_STOPS: Mapping[str, Stop] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "refusal",
    "pause_turn": "pause",
}
_MALFORMED = ("malformed_model_output", "malformed_tool_use")


def read_reply(body: bytes) -> Reply:
    """Read a whole answer. Raises ProviderError when the body is no answer."""
    answer = parse(body)
    content = part_of(part_of(part_of(answer, "output"), "message"), "content", list)
    if content is None:
        raise malformed("the provider's answer has no message")
    parts = tuple(part for block in content if isinstance(block, dict) for part in _parts(block))
    stop = read_stop(answer.get("stopReason"), any(isinstance(part, ToolCall) for part in parts))
    usage = read_usage(answer)
    return Reply(parts, stop, usage, stop_sequence=stop_sequence(answer))


def read_stop(reason: object, calls: bool) -> Stop:
    """Return why the answer ended; `calls` tells whether it calls functions, beside the one that stands in for a
    schema.

    Raises ProviderError where the model said what Bedrock could not read, and where Bedrock was interrupted.
    """
    if reason in _MALFORMED:
        raise malformed(f"the model's output could not be read ({reason})")
    check_end(reason)
    stop = _STOPS.get(reason, "stop") if isinstance(reason, str) else "stop"
    if stop == "tool_calls" and not calls:
        return "stop"
    return "tool_calls" if stop == "stop" and calls else stop


def stop_sequence(answer: Members) -> str:
    """Return the stop sequence that Claude reports, where it was asked to."""
    said = part_of(answer.get("additionalModelResponseFields"), "stop_sequence", str)
    return said or ""


def read_usage(answer: Members) -> Usage | None:
    """Bedrock counts what was read from a cache and written to it beside the input, not in it."""
    value = answer.get("usage")
    if not isinstance(value, dict):
        return None
    cached, written = tokens(value.get("cacheReadInputTokens")), tokens(value.get("cacheWriteInputTokens"))
    fresh, output = tokens(value.get("inputTokens")), tokens(value.get("outputTokens"))
    usage = Usage(fresh + cached + written, cached, output, cache_written=written)
    latency = part_of(answer.get("performanceConfig"), "latency", str)
    return with_tier(usage, part_of(answer.get("serviceTier"), "type", str) or latency)


def part_of(value: object, name: str, kind: type = dict) -> Any:
    """The member of that name where it is of that type, else None."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, kind) else None


def text_of(value: object, name: str) -> str:
    return part_of(value, name, str) or ""


def malformed(message: str) -> ProviderError:
    return ProviderError("malformed", message)


def _parts(block: Members) -> Iterator[Part]:
    if text := text_of(block, "text"):
        yield Text(text)
    for cited in part_of(block.get("citationsContent"), "content", list) or ():
        if text := text_of(cited, "text"):
            yield Text(text)
    if thought := part_of(block, "reasoningContent"):
        yield from _thoughts(thought)
    if image := part_of(block, "image"):
        yield from _image(image)
    if (call := part_of(block, "toolUse")) is not None:
        yield _call(call)


def _thoughts(thought: Members) -> Iterator[Reasoning]:
    said = thought.get("reasoningText")
    if (text := text_of(said, "text")) or text_of(said, "signature"):
        signature = text_of(said, "signature")
        yield Reasoning(text, signature, signed_by=NAME if signature else None)
    if sealed := text_of(thought, "redactedContent"):
        yield Reasoning(encrypted=sealed, signed_by=NAME)


def _image(image: Members) -> Iterator[Media]:
    if data := text_of(image.get("source"), "bytes"):
        yield Media("image", f"image/{text_of(image, 'format') or 'png'}", data)


def _call(call: Members) -> Text | ToolCall:
    name, id, value = text_of(call, "name"), text_of(call, "toolUseId"), call.get("input")
    if not name or not id:
        raise malformed("a tool use of the provider's answer has no name or no id")
    try:
        text = encode({} if value is None else value)
    except NotJson:
        raise malformed("the input of a tool use is nested too deeply") from None
    return Text(text) if name == OUTPUT_TOOL else ToolCall(id, name, text)
