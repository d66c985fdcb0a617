"""Content of a provider's answer: the parts of its first candidate, whole or in a chunk of a stream.

The answer to a prompt that Google blocked is an empty one whose stop is `content_filter`: nothing failed, and the next
provider is not asked what this one would not hear.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from gateway.errors import CallerError, ProviderError
from gateway.formats.answer import Reply
from gateway.formats.ends import check_end
from gateway.formats.gemini import NAME
from gateway.formats.gemini._terms import BROKEN, PLAIN, kind_of, logprobs_of, stop_of, usage_of
from gateway.formats.gemini.errors import error_inside
from gateway.formats.prompt import Media, Part, Reasoning, Text, ToolCall
from gateway.formats.provider_json import dicts, parse, text_of
from gateway.json_body import encode

_PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,30}")
_DIGEST_LENGTH = 16
BLOCKED = "SAFETY"
_NO_REASON = "FINISH_REASON_UNSPECIFIED"  # the default of Google's enumeration, which says nothing


def read_answer(body: bytes) -> Reply:
    """A whole answer. Raises ProviderError when the body is none, whatever its status was."""
    answer = object_in(parse(body), body)
    candidate, reason = candidate_of(answer)
    if candidate is None and not reason:
        raise ProviderError("malformed", "the provider's answer has no candidates")
    parts = tuple(Parts(text_of(answer, "responseId")).read(candidate or {}))
    called = any(isinstance(part, ToolCall) for part in parts)
    check_finish(reason, candidate or {}, said=bool(parts))
    return Reply(
        parts, stop_of(reason, called), usage_of(answer.get("usageMetadata")),
        text_of(answer, "responseId"), text_of(answer, "modelVersion"),
    )  # fmt: skip


def object_in(answer: Any, body: bytes) -> dict[str, Any]:
    """The answer as an object. Raises ProviderError for an error in its place, and for what is no object."""
    if (error := error_inside(answer, body)) is not None:
        raise error
    if not isinstance(answer, dict):
        raise ProviderError("malformed", "the provider's answer is not a JSON object")
    return answer


def candidate_of(answer: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The first candidate, and why it finished: '' while it has not. A blocked prompt has a reason alone."""
    for candidate in dicts(answer.get("candidates")):
        if candidate.get("index") in (0, None):
            reason = text_of(candidate, "finishReason")
            return candidate, "" if reason == _NO_REASON else reason
    feedback = answer.get("promptFeedback")
    blocked = isinstance(feedback, dict) and text_of(feedback, "blockReason")
    return None, BLOCKED if blocked else ""


def check_finish(reason: str, candidate: dict[str, Any], said: bool) -> None:
    """Raise ProviderError where the model failed at its answer, or ended for no known reason without having one."""
    check_end(reason)
    if reason in BROKEN or (reason and reason not in PLAIN and not said):
        message = text_of(candidate, "finishMessage") or "the model ended without an answer"
        raise ProviderError("error_in_answer", f"{reason}: {message}", upstream_status=200)


class Parts:
    """Reader of one answer's parts. A call without an id gets the answer's id and a number."""

    def __init__(self, answer_id: str) -> None:
        self.answer_id = answer_id
        self._calls = 0

    def read(self, candidate: dict[str, Any]) -> Iterator[Part]:
        """Read the parts of a candidate. Raises ProviderError for a malformed call."""
        content = candidate.get("content")
        logprobs = logprobs_of(candidate.get("logprobsResult"))
        for part in dicts(content.get("parts")) if isinstance(content, dict) else ():
            for read in self._read(part):
                if logprobs and isinstance(read, Text):
                    read, logprobs = Text(read.text, logprobs=logprobs), None
                yield read

    def _read(self, part: dict[str, Any]) -> Iterator[Part]:
        """The part, and behind it the signature that it carries where it cannot hold one itself."""
        text, signature = text_of(part, "text"), text_of(part, "thoughtSignature")
        signed = NAME if signature else None
        if part.get("functionCall") is not None:
            yield self._call(part["functionCall"], signature)
            return
        if part.get("thought") is True:
            if text or signature:
                yield Reasoning(text, signature, signed_by=signed)
            return
        if text:
            yield Text(text)
        if isinstance(inline := part.get("inlineData"), dict) and text_of(inline, "data"):
            mime = text_of(inline, "mimeType")
            yield Media(kind_of(mime), mime, text_of(inline, "data"))
        if signature:
            yield Reasoning(signature=signature, signed_by=NAME)

    def _call(self, call: Any, signature: str) -> ToolCall:
        arguments = call.get("args") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not text_of(call, "name") or not isinstance(arguments, (dict, type(None))):
            raise ProviderError(
                "malformed", "a function call of the provider's answer has no name or malformed arguments"
            )
        try:
            written = encode(arguments or {})
        except CallerError:
            raise ProviderError("malformed", "a function call of the provider's answer is nested too deeply") from None
        id_ = text_of(call, "id") or self._id(text_of(call, "name") + written)
        self._calls += 1
        return ToolCall(id_, text_of(call, "name"), written, signature, NAME if signature else None)

    def _id(self, content: str) -> str:
        """Other formats take ids of letters, digits, _ and -, and not too long ones."""
        base = self.answer_id
        if not _PLAIN_ID.fullmatch(base):
            base = sha256(f"{base}:{content}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
        return f"call_{base}_{self._calls}"
