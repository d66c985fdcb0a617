"""Read a whole answer of a Messages provider, which may break the rules of its API."""

from typing import Any

from gateway.errors import CallerError, ProviderError
from gateway.formats.answer import Reply, Stop
from gateway.formats.anthropic import NAME
from gateway.formats.anthropic._shared import STOPS, usage
from gateway.formats.anthropic.errors import raise_error_inside
from gateway.formats.claude.tooling import OUTPUT_TOOL
from gateway.formats.ends import check_end
from gateway.formats.prompt import Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.provider_json import parse_object, text_of
from gateway.json_body import encode


def read_reply(body: bytes) -> Reply:
    """The answer. Raises ProviderError when the body is none, whatever its status was."""
    answer = parse_object(body)
    raise_error_inside(answer, body)
    blocks = answer.get("content")
    if not isinstance(blocks, list):
        raise ProviderError("malformed", "the provider's answer has no content")
    parts = [part for block in blocks for part in _parts(block)]
    if answer.get("stop_reason") == "refusal" and not parts:
        parts = [Refusal(explanation(answer))]
    return Reply(
        tuple(parts),
        stop(answer.get("stop_reason"), any(isinstance(part, ToolCall) for part in parts)),
        usage(answer.get("usage")),
        id=text_of(answer, "id"),
        model=text_of(answer, "model"),
        stop_sequence=text_of(answer, "stop_sequence"),
    )


def stop(reason: Any, calls: bool) -> Stop:
    """Return why the answer stopped. The call that stands in for an output schema is the answer and no call.

    Raises ProviderError where the provider was interrupted.
    """
    check_end(reason)
    said = STOPS.get(reason, "stop") if isinstance(reason, str) else "stop"
    return "stop" if said == "tool_calls" and not calls else said


def explanation(members: dict[str, Any]) -> str:
    """Return why the model declined, or a general sentence where it does not say."""
    details = members.get("stop_details")
    said = details.get("explanation") if isinstance(details, dict) else None
    return said if isinstance(said, str) and said else "The model declined to answer."


def needed(members: dict[str, Any], name: str) -> str:
    """The text of that name. Raises ProviderError where there is none."""
    value = members.get(name)
    if not isinstance(value, str):
        raise ProviderError("malformed", f"a block of the provider's answer has no {name}")
    return value


def input_text(block: dict[str, Any]) -> str:
    """A call's arguments as JSON text. Where they are text and no object, it is what the model wrote."""
    value = block.get("input")
    if isinstance(value, str):
        return value
    try:
        return encode({} if value is None else value)
    except CallerError:
        raise ProviderError("malformed", "the arguments of a call are nested too deeply") from None


def _parts(block: Any) -> list[Part]:
    """The parts of a block; none for a kind that nobody has asked for."""
    if not isinstance(block, dict):
        raise ProviderError("malformed", "a block of the provider's answer is not a JSON object")
    match block.get("type"):
        case "text":
            said = needed(block, "text")
            return [Text(said)] if said else []
        case "thinking":
            return [Reasoning(text_of(block, "thinking"), text_of(block, "signature"), signed_by=NAME)]
        case "redacted_thinking":
            return [Reasoning(encrypted=needed(block, "data"), signed_by=NAME)]
        case "tool_use":
            return [_call(block)]
    return []


def _call(block: dict[str, Any]) -> Part:
    name = needed(block, "name")
    if name == OUTPUT_TOOL:
        return Text(input_text(block))
    return ToolCall(needed(block, "id"), name, input_text(block))
