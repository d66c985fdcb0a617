"""Words that requests and answers share in both directions: stop reasons, usage, log probabilities, media types.

Source: the API's reference of `Candidate.FinishReason`, `UsageMetadata` and `LogprobsResult`.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.calls import Usage, tokens
from gateway.formats.answer import Stop
from gateway.formats.google.modalities import media_tokens
from gateway.formats.prompt import MediaKind
from gateway.formats.provider_json import dicts
from gateway.formats.tiers import with_tier
from gateway.json_body import encode

# What stands for the signature of a function call that another model made (documentation, "Thought signatures").
UNSIGNED: Final = "skip_thought_signature_validator"
_UNSIGNED_TOO: Final = "context_engineering_is_the_way_to_go"  # the same, in an older spelling

_FILTERED = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
    "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
})  # fmt: skip
_FINISHES: Mapping[Stop, str] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "pause": "OTHER",
}
# The model tried to call and failed at it: there is no answer to hand on.
BROKEN = frozenset({
    "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
})  # fmt: skip
PLAIN = frozenset({"STOP", "MAX_TOKENS"}) | _FILTERED


def stop_of(reason: str, called: bool) -> Stop:
    """Return why an answer ended. An undocumented reason is a plain stop."""
    if reason == "MAX_TOKENS":
        return "length"
    if reason in _FILTERED:
        return "content_filter"
    return "tool_calls" if called else "stop"


def finish_of(stop: Stop) -> str:
    """The `finishReason` of a client's answer."""
    return _FINISHES[stop]


def signature_of(text: str) -> str:
    """A signature that a client sent back; '' for the placeholder, which signs nothing."""
    return "" if text in (UNSIGNED, _UNSIGNED_TOO) else text


def usage_of(value: Any) -> Usage | None:
    """Read `usageMetadata`: candidates exclude thoughts, the prompt includes what was cached, tool use is input."""
    if not isinstance(value, dict):
        return None
    prompt = tokens(value.get("promptTokenCount")) + tokens(value.get("toolUsePromptTokenCount"))
    thoughts = tokens(value.get("thoughtsTokenCount"))
    cached = min(tokens(value.get("cachedContentTokenCount")), prompt)
    made = tokens(value.get("candidatesTokenCount"))
    media = media_tokens(
        (value.get("promptTokensDetails"), prompt),
        (value.get("cacheTokensDetails"), cached),
        (value.get("candidatesTokensDetails"), made),
    )
    usage = Usage(prompt, cached, made + thoughts, thoughts, media=media)
    return with_tier(usage, value.get("serviceTier"))


def usage_metadata(usage: Usage) -> dict[str, int]:
    """`usageMetadata` for a client. Writes into a cache have no count of their own here; they are input."""
    counts = {"promptTokenCount": usage.input, "candidatesTokenCount": usage.output - usage.reasoning}
    counts["totalTokenCount"] = usage.input + usage.output
    if usage.cached:
        counts["cachedContentTokenCount"] = usage.cached
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts


def logprobs_of(value: Any) -> list[dict[str, Any]] | None:
    """Read `logprobsResult` into chat completions' list of tokens."""
    chosen = dicts(value.get("chosenCandidates")) if isinstance(value, dict) else []
    if not chosen:
        return None
    tops = dicts(value.get("topCandidates"))
    above = [[_token(each) for each in dicts(top.get("candidates"))] for top in tops]
    above += [[] for _ in range(len(chosen) - len(above))]
    return [{**_token(each), "top_logprobs": top} for each, top in zip(chosen, above, strict=False)]


def logprobs_result(logprobs: Any) -> dict[str, Any] | None:
    """`logprobsResult` of chat completions' list of tokens."""
    listed = dicts(logprobs)
    if not listed:
        return None
    tops = [{"candidates": [_candidate(top) for top in dicts(each.get("top_logprobs"))]} for each in listed]
    return {"chosenCandidates": [_candidate(each) for each in listed], "topCandidates": tops}


def kind_of(mime: str) -> MediaKind:
    """Return the kind of media of a media type."""
    match mime.partition("/")[0].lower():
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "file"


def event_of(value: Mapping[str, Any]) -> bytes:
    """Write one server-sent event, with the line ends that Gemini uses."""
    return b"data: " + encode(value).encode() + b"\r\n\r\n"


def _token(value: dict[str, Any]) -> dict[str, Any]:
    token, logprob = value.get("token"), value.get("logProbability")
    text = token if isinstance(token, str) else ""
    known = isinstance(logprob, (int, float)) and not isinstance(logprob, bool)
    return {"token": text, "logprob": logprob if known else 0.0, "bytes": list(text.encode("utf-8", "replace"))}


def _candidate(value: dict[str, Any]) -> dict[str, Any]:
    return {"token": value.get("token", ""), "logProbability": value.get("logprob", 0.0)}
