"""Refusals of an unknown model: each provider's status and error body, in its own words."""

from collections.abc import Mapping

from .answers import encode
from .behaviour import Wording


def refused_model(wording: Wording, model: str) -> tuple[int, bytes]:
    """The status and the body with which that provider refuses the model."""
    status, body = _ANSWERS[wording]
    return status, encode(_filled(body, model))


def _filled(value: object, model: str) -> object:
    if isinstance(value, str):
        return value.replace("{m}", model)
    if isinstance(value, Mapping):
        return {name: _filled(each, model) for name, each in value.items()}
    return [_filled(each, model) for each in value] if isinstance(value, list) else value


def _openai(message: str, kind: str = "invalid_request_error", code: object = None) -> dict[str, object]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


_MISSING = "The model `{m}` does not exist or you do not have access to it."
_ANSWERS: Mapping[Wording, tuple[int, dict[str, object]]] = {
    "openai": (404, _openai(_MISSING, code="model_not_found")),
    "groq": (404, _openai(_MISSING, code="model_not_found")),
    "vllm": (
        404,
        {"object": "error", "message": "The model `{m}` does not exist.", "type": "NotFoundError", "code": 404},
    ),
    "deepseek": (400, _openai("Model Not Exist", code="invalid_request_error")),
    "openrouter": (400, {"error": {"message": "{m} is not a valid model ID", "code": 400}}),
    "mistral": (400, {"object": "error", "message": "Invalid model: {m}", "type": "invalid_model", "code": "1500"}),
    "ollama": (404, _openai('model "{m}" not found, try pulling it first', kind="api_error")),
    "xai": (
        404,
        {
            "code": "Some requested entity was not found",
            "error": "The model {m} does not exist or your team has no access.",
        },
    ),
    "fastapi": (422, {"detail": [{"loc": ["body", "model"], "msg": "value is not a valid enumeration member"}]}),
    "unreadable": (413, _openai("Request cannot be processed")),
    "anthropic": (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: {m}"}}),
    "gemini": (
        404,
        {"error": {"code": 404, "status": "NOT_FOUND", "message": "models/{m} is not found for API version v1beta"}},
    ),
    "bedrock": (400, {"message": "The provided model identifier is invalid."}),
}
