"""Content of a provider's answer: its steps, and how it ended.

An answer that a policy blocked is one whose stop is `content_filter`: nothing failed, and the next provider is not
asked what this one would not hear.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.errors import CallerError, ProviderError
from gateway.formats.answer import Reply, Stop
from gateway.formats.denials import BLOCKED_CODES
from gateway.formats.ends import check_end
from gateway.formats.gemini_interactions import NAME
from gateway.formats.gemini_interactions._content import kind_of_block
from gateway.formats.gemini_interactions._terms import FAILED, UNFINISHED, stop_of, usage_of
from gateway.formats.gemini_interactions.errors import error_inside, error_of
from gateway.formats.prompt import Media, Part, Reasoning, Text, ToolCall
from gateway.formats.provider_json import dicts, parse, text_of
from gateway.json_body import encode


def read_answer(body: bytes) -> Reply:
    """A whole answer. Raises ProviderError when the body is none, whatever its status was."""
    answer = object_in(parse(body))
    if not text_of(answer, "status"):
        raise ProviderError("malformed", "the provider's answer has no status")
    parts = tuple(part for step in dicts(answer.get("steps")) for part in read_step(step))
    called = any(isinstance(part, ToolCall) for part in parts)
    stop = stop_in(answer, called, said=bool(parts))
    usage = usage_of(answer.get("usage"), answer.get("service_tier"))
    return Reply(parts, stop, usage, text_of(answer, "id"), text_of(answer, "model"))


def object_in(answer: Any) -> dict[str, Any]:
    """The answer as an object. Raises ProviderError for an error in its place, and for what is no object."""
    if (error := error_inside(answer)) is not None and "status" not in answer:
        raise error
    if not isinstance(answer, dict):
        raise ProviderError("malformed", "the provider's answer is not a JSON object")
    return answer


def stop_in(interaction: Mapping[str, Any], called: bool, said: bool) -> Stop:
    """Return why an interaction ended. Raises ProviderError where it failed, or ended without any content."""
    status = text_of(interaction, "status")
    check_end(status)
    errors = dicts(interaction.get("errors"))
    if any(text_of(error, "code") in BLOCKED_CODES for error in errors):
        return "content_filter"
    if status in FAILED:
        raise error_of(errors[0] if errors else {"code": "api_error", "message": f"the interaction is {status}"})
    stop = stop_of(status, called)
    if not said and status not in UNFINISHED and stop != "length" and errors:
        raise error_of(errors[0])
    return stop


def read_step(step: Mapping[str, Any]) -> Iterator[Part]:
    """Read one step: none for the user's, and for those of tools that run at Google."""
    match text_of(step, "type"):
        case "model_output":
            for block in dicts(step.get("content")):
                if (part := _block(block)) is not None:
                    yield part
        case "thought":
            text = "\n\n".join(text for block in dicts(step.get("summary")) if (text := text_of(block, "text")))
            signature = text_of(step, "signature")
            if text or signature:
                yield Reasoning(text, signature, signed_by=NAME if signature else None)
        case "function_call":
            yield read_call(step)


def read_call(step: Mapping[str, Any]) -> ToolCall:
    """Read one function call. Raises ProviderError for a malformed one."""
    name, id_, arguments = text_of(step, "name"), text_of(step, "id"), step.get("arguments")
    if not name or not isinstance(arguments, (dict, type(None))):
        raise ProviderError("malformed", "a function call of the provider's answer has no name or malformed arguments")
    try:
        written = encode(arguments or {})
    except CallerError:
        raise ProviderError("malformed", "a function call of the provider's answer is nested too deeply") from None
    signature = text_of(step, "signature")
    return ToolCall(id_ or f"call_{name}", name, written, signature, NAME if signature else None)


def _block(block: Mapping[str, Any]) -> Part | None:
    kind, mime = kind_of_block(block), text_of(block, "mime_type")
    if kind == "text":
        return Text(text) if (text := text_of(block, "text")) else None
    data, uri = text_of(block, "data"), text_of(block, "uri")
    return Media(kind, mime, data, uri) if kind is not None and (data or uri) else None
