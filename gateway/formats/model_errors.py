"""Refusals that concern the model: unknown, mistyped, or not open to the gateway's key.

Providers say it in many ways, few of which name a field. Only what begins the message is believed, with the very model
that was asked for: what a provider quotes of a client's text stands further on. A 403 that names the model anywhere is
about it: a moderation's, which may name it too, is told apart before.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.errors import ContentRefused, KeyRefused, ProviderError

FIELD = "model"

_REJECTED = (400, 403, 404, 405, 410, 413, 422, 501)
_FORBIDDEN = 403
_OK = 200
_READ_BYTES = 1 << 16
_LONGEST_HEAD = 400  # characters of a message; a model's name is shorter
_QUOTES = str.maketrans("", "", "'\"`\u201c\u201d\u2018\u2019\\")
_CODES = frozenset(
    {
        "model_not_found",  # OpenAI, Groq, xAI
        "invalid_model",  # Mistral
        "model_not_available",  # Together
        "model_not_supported",
        "unknown_model",
        "deploymentnotfound",  # Azure
    }
)
# How a message begins, in lower case and without quotation marks; {m} is the model.
_BEGINNINGS = (
    "the model {m} does not exist",  # OpenAI, vLLM, Groq
    "the model {m} was not found",
    "the requested model {m} is not supported",
    "model {m} does not exist",
    "model {m} not found",  # Ollama
    "model {m} is not supported",
    "model not found",  # Fireworks
    "model not exist",  # DeepSeek
    "model_not_found",
    "invalid model: {m}",  # Mistral
    "invalid model name passed in model={m}",  # LiteLLM
    "unknown model: {m}",
    "unknown model {m}",
    "no such model: {m}",
    "unable to access model {m}",  # Together
    "no endpoints found for {m}",  # OpenRouter
    "{m} is not a valid model id",  # OpenRouter
    "models/{m} is not found",  # Gemini
    "publisher model ",  # Vertex AI
    "the provided model identifier is invalid",  # Bedrock
    "you dont have access to the model",  # Bedrock
    "model access is denied",  # Bedrock
    "the api deployment for this resource does not exist",  # Azure
)


def blaming_model(error: ProviderError, body: bytes, model: str) -> ProviderError:
    """The same error, about the field `model` where its body says so."""
    if isinstance(error, ContentRefused) or error.param is not None or error.upstream_status not in _REJECTED:
        return error
    is_denial = error.upstream_status == _FORBIDDEN
    if not _speaks_of(body, model, anywhere=is_denial):
        return error
    if is_denial:
        error = KeyRefused("status", _FORBIDDEN, error.headers, reason="model")
    return _about_model(error)


def blaming_model_inside(error: ProviderError, model: str) -> ProviderError:
    """Return the error that came with HTTP 200, about the field `model` where it says so."""
    if error.denial is not None:
        if _tells_of(error.denial, model, anywhere=True):
            refused = KeyRefused("error_in_answer", _OK, reason="model")
            refused.words = error.words
            return _about_model(refused)
        return error
    said = error.body if error.kind == "error_in_answer" and error.param is None else None
    return _about_model(error) if said is not None and _speaks_of(said, model, anywhere=False) else error


def _about_model(error: ProviderError) -> ProviderError:
    error.param, error.blame, error.caller_can_cause = FIELD, "version", False
    return error


def _speaks_of(body: bytes, model: str, anywhere: bool) -> bool:
    if len(body) > _READ_BYTES:
        return False
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return _tells_of(answer, model, anywhere)


def _tells_of(answer: Any, model: str, anywhere: bool) -> bool:
    return any(_is_about_model(error, model.casefold(), anywhere) for error in _errors(answer))


def _errors(answer: Any) -> Iterator[dict[str, Any]]:
    """The objects of an error body that may hold a message or a code."""
    if isinstance(answer, list) and len(answer) == 1:  # Gemini, in a stream
        answer = answer[0]
    if not isinstance(answer, dict):
        return
    yield answer
    error = answer.get("error")
    if isinstance(error, str):
        yield {"message": error}
    elif isinstance(error, dict):
        yield error
    detail = answer.get("detail")
    if isinstance(detail, str):
        yield {"message": detail}
    elif isinstance(detail, list):  # FastAPI
        yield from (each for each in detail[:16] if isinstance(each, dict))


def _is_about_model(error: dict[str, Any], model: str, anywhere: bool) -> bool:
    if any(isinstance(code := error.get(name), str) and code.casefold() in _CODES for name in ("code", "type")):
        return True
    if error.get("param") == FIELD or error.get("loc") == ["body", FIELD]:
        return True
    return any(_names(error.get(name), model, anywhere) for name in ("message", "msg", "Message"))


def _names(message: object, model: str, anywhere: bool) -> bool:
    if not isinstance(message, str):
        return False
    head = message[:_LONGEST_HEAD].casefold().translate(_QUOTES).strip()
    named = model.translate(_QUOTES)
    if head == f"{FIELD}: {named}":  # Anthropic
        return True
    if anywhere and _holds_word(head, named):
        return True
    return any(head.startswith(beginning.replace("{m}", named)) for beginning in _BEGINNINGS)


def _holds_word(text: str, word: str) -> bool:
    """Return whether the text holds the word, and not only as a part of a longer name."""
    place = text.find(word)
    while place >= 0:
        before, after = text[max(0, place - 1) : place], text[place + len(word) :][:1]
        if not _continues(before, "_.-") and not _continues(after, "_-"):
            return True
        place = text.find(word, place + 1)
    return False


def _continues(character: str, others: str) -> bool:
    return character.isalnum() or (character != "" and character in others)
