"""Subject of a 403, by what the provider says: the request's content, the gateway's key, its region, or unknown.

Providers answer 403 for all of these. Where nothing tells them apart, the error says so, and no key is blamed
(decision 32). What names the model is found where the model is known (`gateway.formats.model_errors`).
"""

import re
from collections.abc import Iterator
from typing import Any

from gateway.errors import ContentRefused, Denied, FailureKind, Headers, KeyRefused, ProviderError
from gateway.formats.provider_json import parse_quietly

_FORBIDDEN = 403
_LONGEST_HEAD = 400  # characters of a message

# Codes, types and reasons, in lower case. The first are those by which Google says that a policy blocked an answer.
BLOCKED_CODES = frozenset(
    {
        "safety", "recitation", "language", "prohibited_content", "spii", "blocklist", "image_safety",
        "image_prohibited_content", "image_recitation", "image_other", "content_blocked", "jailbreak",
    }
)  # fmt: skip
ABOUT_CONTENT = BLOCKED_CODES | {
    "content_filter", "content_policy_violation", "moderation_blocked", "content_moderation",
    "data_inspection_failed", "datainspectionfailed", "responsibleaipolicyviolation",
}  # fmt: skip
_ABOUT_REGION = frozenset({"unsupported_country_region_territory"})
_ABOUT_KEY = frozenset(
    {
        "invalid_api_key", "authentication_error", "billing_error", "insufficient_permissions", "account_deactivated",
        "billing_not_active", "access_terminated", "unauthenticated", "unauthorized",
        # Google: google.api.ErrorReason
        "api_key_invalid", "api_key_expired", "api_key_service_blocked", "api_key_http_referrer_blocked",
        "api_key_ip_address_blocked", "access_token_expired", "access_token_scope_insufficient",
        "access_token_type_unsupported", "consumer_suspended", "consumer_invalid", "service_disabled",
        "billing_disabled", "user_project_denied", "account_state_invalid", "iam_permission_denied",
        "credentials_missing",
        # AWS
        "unrecognizedclientexception", "invalidsignatureexception", "expiredtokenexception",
        "missingauthenticationtokenexception", "incompletesignatureexception", "invalidclienttokenid",
    }
)  # fmt: skip
# What a message of a moderation says, in lower case: OpenRouter, xAI, and others.
_CONTENT_WORDS = (
    "input was flagged", "input flagged", "flagged by moderation", "content violates", "violates our usage policies",
    "violates usage guidelines", "content policy", "content was blocked", "blocked by safety", "blocked due to safety",
)  # fmt: skip
_REGION_WORDS = (
    "country, region, or territory not supported", "user location is not supported", "not available in your region",
    "not available in your country", "not supported in your region", "unsupported location",
)  # fmt: skip
# How a message about a key or its account begins.
_KEY_WORDS = re.compile(
    r"(?:your|this|the|no|an?|invalid|incorrect|missing|unknown|expired|disabled)? ?"
    r"(?:api[ -]?key|key|organi[sz]ation|account|project|token|access token|security token|credentials?|workspace|team|"
    r"consumer|subscription|billing|request signature|authorization header|authentication)\b"
    r"|(?:you have|you do not have|you don.t have|the caller does not have) (?:insufficient )?permissions?\b"
    r"|user: arn:|permission '|permission denied: consumer|permission denied on resource project"
    r"|method doesn.t allow unregistered callers"
)


def is_about_region(answer: Any) -> bool:
    """Return whether an error says that the provider does not serve where the gateway is, whatever its status."""
    return any(word in _head(answer) for word in _REGION_WORDS) or not _ABOUT_REGION.isdisjoint(_codes(answer))


def is_about_content(answer: Any) -> bool:
    """Return whether an error says that the provider's moderation refused what the client sent."""
    if any("flagged_input" in each or "reasons" in each for each in _objects(answer)):  # OpenRouter
        return True
    return not ABOUT_CONTENT.isdisjoint(_codes(answer)) or any(word in _head(answer) for word in _CONTENT_WORDS)


def denial(headers: Headers, body: bytes) -> ProviderError:
    """Return the error of a 403 with that body."""
    return _denial(parse_quietly(body), headers, body, ("status", _FORBIDDEN))


def denial_inside(answer: Any, body: bytes) -> ProviderError:
    """Return the error of a denial that came with HTTP 200, in place of an answer or in its stream.

    `answer` is an object around the `error`, and `body` the JSON that the client may see of it.
    """
    error = _denial(answer, (), body, ("error_in_answer", 200))
    if not isinstance(error, ContentRefused):
        error.denial = answer
    return error


def _denial(answer: Any, headers: Headers, body: bytes, came: tuple[FailureKind, int]) -> ProviderError:
    """Return the error of a denial; `came` is the kind and the status of a refused key."""
    if is_about_content(answer):
        message = _message(answer) or "the provider's moderation refused the request"
        return ContentRefused(message, headers, body)
    if is_about_region(answer):
        return KeyRefused(*came, headers, reason="region")
    if not _ABOUT_KEY.isdisjoint(_codes(answer)) or _KEY_WORDS.match(_head(answer)):
        return KeyRefused(*came, headers)
    return Denied(headers)


def _objects(answer: Any) -> Iterator[dict[str, Any]]:
    """The objects of an error body that may hold a message, a code or a reason."""
    if isinstance(answer, list) and len(answer) == 1:  # Gemini, in a stream
        answer = answer[0]
    if not isinstance(answer, dict):
        return
    yield answer
    if isinstance(error := answer.get("error"), dict):
        yield error
        if isinstance(metadata := error.get("metadata"), dict):
            yield metadata
        details = error.get("details")
        yield from (each for each in (details[:16] if isinstance(details, list) else ()) if isinstance(each, dict))


def _codes(answer: Any) -> set[str]:
    return {
        value.lower()
        for each in _objects(answer)
        for name in ("code", "type", "reason", "__type")
        if isinstance(value := each.get(name), str)
    }


def _message(answer: Any) -> str:
    for each in _objects(answer):
        for name in ("message", "Message", "error", "detail"):
            if isinstance(text := each.get(name), str) and text:
                return text
    return ""


def _head(answer: Any) -> str:
    """Return the beginning of the message, in lower case."""
    return _message(answer)[:_LONGEST_HEAD].lower().strip()
