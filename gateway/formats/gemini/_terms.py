"""Words that requests and answers share in both directions: stop reasons, usage, log probabilities, media types.

Source: the API's reference of `Candidate.FinishReason`, `UsageMetadata` and `LogprobsResult`.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.calls import MediaTokens, Usage, tokens
from gateway.formats.answer import Stop
from gateway.formats.prompt import MediaKind
from gateway.formats.tiers import with_tier
from gateway.json_body import encode

# What stands for the signature of a function call that another model made (documentation, "Thought signatures").
UNSIGNED: Final = "skip_thought_signature_validator"
_UNSIGNED_TOO: Final = "context_engineering_is_the_way_to_go"  # the same, in an older spelling

_KINDS = ("AUDIO", "IMAGE", "VIDEO")  # modalities that are not text, in the order of `MediaTokens`
_MOST_DETAILS = 20

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
    usage = Usage(prompt, cached, made + thoughts, thoughts, media=_media(value, prompt, cached, made))
    return with_tier(usage, value.get("serviceTier"))


def _media(value: Mapping[str, Any], prompt: int, cached: int, made: int) -> MediaTokens | None:
    """Tokens that are not text, by the details of each sum."""
    given, kept = _by_kind(value.get("promptTokensDetails"), prompt), _by_kind(value.get("cacheTokensDetails"), cached)
    written = _by_kind(value.get("candidatesTokensDetails"), made)
    audio, image, video = (given.get(kind, 0) for kind in _KINDS)
    cached_audio, cached_image = min(kept.get("AUDIO", 0), audio), min(kept.get("IMAGE", 0), image)
    made_audio, made_image, made_video = (written.get(kind, 0) for kind in _KINDS)
    found = MediaTokens(audio, image, video, cached_audio, cached_image, made_audio, made_image, made_video)
    return found if any(found) else None


def _by_kind(details: Any, whole: int) -> dict[str, int]:
    """The counts of each kind, all of them together `whole` at most."""
    found: dict[str, int] = {}
    for each in details[:_MOST_DETAILS] if isinstance(details, list) else ():
        if isinstance(each, dict) and each.get("modality") in _KINDS:
            count = min(tokens(each.get("tokenCount")), whole)
            whole -= count
            found[each["modality"]] = found.get(each["modality"], 0) + count
    return found


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
    chosen = _dicts(value.get("chosenCandidates")) if isinstance(value, dict) else []
    if not chosen:
        return None
    tops = _dicts(value.get("topCandidates"))
    above = [[_token(each) for each in _dicts(top.get("candidates"))] for top in tops]
    above += [[] for _ in range(len(chosen) - len(above))]
    return [{**_token(each), "top_logprobs": top} for each, top in zip(chosen, above, strict=False)]


def logprobs_result(logprobs: Any) -> dict[str, Any] | None:
    """`logprobsResult` of chat completions' list of tokens."""
    listed = _dicts(logprobs)
    if not listed:
        return None
    tops = [{"candidates": [_candidate(top) for top in _dicts(each.get("top_logprobs"))]} for each in listed]
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


def arguments_of(text: str) -> dict[str, Any]:
    """The `args` of a call: the object that its JSON text holds; a text that is none goes as `arguments`."""
    try:
        value = json.loads(text or "{}", parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError):
        return {"arguments": text}
    return value if isinstance(value, dict) else {"arguments": text}


def event_of(value: Mapping[str, Any]) -> bytes:
    """Write one server-sent event, with the line ends that Gemini uses."""
    return b"data: " + encode(value).encode() + b"\r\n\r\n"


def dicts(values: Any) -> Sequence[dict[str, Any]]:
    """The objects in a list; none where there is no list."""
    return _dicts(values)


def _dicts(values: Any) -> list[dict[str, Any]]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def _token(value: dict[str, Any]) -> dict[str, Any]:
    token, logprob = value.get("token"), value.get("logProbability")
    text = token if isinstance(token, str) else ""
    known = isinstance(logprob, (int, float)) and not isinstance(logprob, bool)
    return {"token": text, "logprob": logprob if known else 0.0, "bytes": list(text.encode("utf-8", "replace"))}


def _candidate(value: dict[str, Any]) -> dict[str, Any]:
    return {"token": value.get("token", ""), "logProbability": value.get("logprob", 0.0)}


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is too large for a number")
    return number
