"""Read a provider's whole answer in this format: a response, or an error."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.calls import MediaTokens, Usage, tokens
from gateway.errors import ProviderError
from gateway.formats.answer import Reply, Stop
from gateway.formats.ends import check_end
from gateway.formats.openai_chat.errors import error_inside
from gateway.formats.openai_responses import NAME
from gateway.formats.prompt import Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.provider_json import parse_object, text_of
from gateway.formats.tiers import with_tier
from gateway.json_body import encode

_INCOMPLETE: Mapping[str, Stop] = {"content_filter": "content_filter"}  # all else is a limit
_UNFINISHED = ("queued", "in_progress")  # a response in the background
# What the codes of a response that failed would be as HTTP statuses; those about images and prompts are the caller's.
_STATUSES: Mapping[str, int] = {"rate_limit_exceeded": 429, "too_many_requests": 429, "server_error": 500}
_CALLERS = ("invalid_", "image_", "empty_image", "unsupported_image", "failed_to_download_image", "context_length")
_Item = Mapping[str, Any]


def read_reply(body: bytes) -> Reply:
    """A whole answer. Raises ProviderError when the body is none, whatever its status was."""
    answer = parse_object(body)
    check(answer)
    return reply_of(answer)


def check(answer: Mapping[str, Any]) -> None:
    """Raise ProviderError for a response that failed, and for an error in its place."""
    if answer.get("error"):
        raise failure(answer["error"])
    if answer.get("status") in ("failed", "cancelled"):
        raise failure({"message": f"the response was {answer['status']}"})
    check_end(answer.get("status"))
    check_end(_object(answer, "incomplete_details").get("reason"))


def reply_of(answer: Mapping[str, Any]) -> Reply:
    """Return a response as a reply. Raises ProviderError where it has no output."""
    output = answer.get("output")
    if not isinstance(output, list):
        raise ProviderError("malformed", "the provider's answer has no output")
    parts = tuple(part for item in output if isinstance(item, dict) for part in _parts(item))
    return Reply(parts, stop_of(answer, parts), usage_of(answer), text_of(answer, "id"), text_of(answer, "model"))


def stop_of(answer: Mapping[str, Any], parts: tuple[Part, ...]) -> Stop:
    """Return why the answer ended: this format tells by the status and by the content."""
    status = answer.get("status")
    if status == "incomplete":
        details = answer.get("incomplete_details")
        return _INCOMPLETE.get(text_of(details, "reason") if isinstance(details, dict) else "", "length")
    if status in _UNFINISHED:
        return "pause"
    if any(isinstance(part, ToolCall) for part in parts):
        return "tool_calls"
    return "refusal" if any(isinstance(part, Refusal) for part in parts) else "stop"


def usage_of(answer: Mapping[str, Any]) -> Usage | None:
    """Return the usage that a response was charged for, None until it says. A malformed count is 0 tokens."""
    usage = answer.get("usage")
    if not isinstance(usage, dict):
        return None
    details = _object(usage, "input_tokens_details")
    taken, made = tokens(usage.get("input_tokens")), tokens(usage.get("output_tokens"))
    cached = min(tokens(details.get("cached_tokens")), taken)
    found = Usage(
        input=taken,
        cached=cached,
        output=made,
        reasoning=min(tokens(_object(usage, "output_tokens_details").get("reasoning_tokens")), made),
        cache_written=min(tokens(details.get("cache_write_tokens")), taken - cached),
        media=_media(details, taken) if details.get("image_tokens") else None,
    )
    return with_tier(found, answer.get("service_tier"))


def _media(details: Mapping[str, Any], taken: int) -> MediaTokens:
    """Images that were given, as the endpoints for images report them."""
    image = min(tokens(details.get("image_tokens")), taken)
    kept = details.get("cached_tokens_details")
    cached = tokens(kept.get("image_tokens")) if isinstance(kept, dict) else 0
    return MediaTokens(input_image=image, cached_image=min(cached, image))


def failure(error: Any) -> ProviderError:
    """The error that came in place of an answer, or inside a stream, with HTTP 200.

    A response that failed says less of it than the API's errors do, by which clients know one: the rest is filled in.
    """
    usual = {"type": "server_error", "param": None, "code": None}
    body = encode({"error": usual | error}).encode() if isinstance(error, dict) else b""
    found = error_inside({"error": error}, body)
    if found.upstream_status == 403:
        return found
    code = (text_of(error, "code") or text_of(error, "type")) if isinstance(error, dict) else ""
    if code in _STATUSES:
        found.status = _STATUSES[code]
    elif code.startswith(_CALLERS):
        found.status = 400
    return found


def reasoning_of(item: _Item) -> Reasoning | None:
    """A reasoning item's thoughts, None where it has none to read and none to give back."""
    said = _texts(item, "summary") or _texts(item, "content")
    encrypted = text_of(item, "encrypted_content")
    if not said and not encrypted:
        return None
    by = NAME if encrypted else None
    return Reasoning(said, encrypted=encrypted, signed_by=by, id=text_of(item, "id"))


def logprobs_of(part: Mapping[str, Any]) -> list[Any] | None:
    found = part.get("logprobs")
    return found if isinstance(found, list) and found else None


def _parts(item: _Item) -> Iterator[Part]:
    kind = item.get("type")
    if kind == "message":
        for part in _objects(item.get("content")):
            yield from _content(part)
    elif kind == "function_call":
        yield ToolCall(
            text_of(item, "call_id") or text_of(item, "id"), text_of(item, "name"), text_of(item, "arguments")
        )
    elif kind == "reasoning" and (said := reasoning_of(item)):
        yield said


def _content(part: Mapping[str, Any]) -> Iterator[Part]:
    if part.get("type") == "output_text":
        yield Text(text_of(part, "text"), logprobs=logprobs_of(part))
    elif part.get("type") == "refusal":
        yield Refusal(text_of(part, "refusal"))


def _texts(item: _Item, name: str) -> str:
    return "\n\n".join(said for part in _objects(item.get(name)) if (said := text_of(part, "text")))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
