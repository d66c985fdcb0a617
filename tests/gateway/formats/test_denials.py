"""Subject of a 403 in each provider's format: content, key, model, region, or what nobody says."""

import json
from typing import Any

import pytest

from gateway.errors import ContentRefused, Denied, KeyRefused, ProviderError
from gateway.formats.model_errors import blaming_model, blaming_model_inside
from gateway.formats.prompt import FormatName
from gateway.formats.registry import PROVIDERS

MODEL = "claude-opus-4-5"


def read(api: FormatName, said: Any, kind: str = "", status: int = 403) -> ProviderError:
    """The error of a provider's answer, as an attempt at MODEL reads it."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    headers = [(b"x-amzn-errortype", kind.encode())] if kind else []
    return blaming_model(PROVIDERS[api].error(status, headers, body), body, MODEL)


def openai(message: str, **more: Any) -> Any:
    return {"error": {"message": message, **more}}


def anthropic(message: str) -> Any:
    return {"type": "error", "error": {"type": "permission_error", "message": message}}


def google(message: str, *reasons: str) -> Any:
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason} for reason in reasons]
    return {"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": details}}


FLAGGED = {"code": 403, "metadata": {"reasons": ["violence"], "flagged_input": "x"}}


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ("openai", openai(f"{MODEL} requires moderation on Groq. Your input was flagged", **FLAGGED)),
        ("openai", {"code": "The caller does not have permission", "error": "Content violates usage guidelines."}),
        ("openai", openai("no", code="content_policy_violation")),
        ("openai-responses", openai("no", code="moderation_blocked")),
        ("anthropic", anthropic("The request was blocked by our content policy.")),
        ("gemini", google("The prompt was blocked by safety settings.")),
        ("gemini", google("no", "PROHIBITED_CONTENT")),
        ("bedrock", {"message": "The request violates our usage policies."}),
    ],
)
def test_a_moderations_refusal_is_the_clients(api: FormatName, said: Any) -> None:
    """The client gets 403 and the provider's words, also where they name the model."""
    error = read(api, said, "AccessDeniedException" if api == "bedrock" else "")
    assert isinstance(error, ContentRefused) and (error.status, error.blame, error.param) == (403, "client", None)
    assert error.body is not None and error.caller_can_cause


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ("openai", openai("You have insufficient permissions for this operation. Missing scopes: api.files.read")),
        ("openai", openai("Key limit exceeded (total limit). Manage it at https://openrouter.ai/settings/keys")),
        ("openai-responses", openai("no", code="invalid_api_key")),
        ("anthropic", anthropic("Your API key does not have permission to use the specified resource.")),
        ("anthropic", anthropic("This organization has been disabled.")),
        ("gemini", google("Gemini API has not been used in project 1 before", "SERVICE_DISABLED")),
        ("gemini", google("Requests from referer <empty> are blocked.", "API_KEY_HTTP_REFERRER_BLOCKED")),
        ("gemini", google("Method doesn't allow unregistered callers. Please use API Key.")),
        ("bedrock", {"message": "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel"}),
        ("bedrock", {"message": "Your account is not authorized to invoke this API operation."}),
    ],
)
def test_a_refused_key_is_nobodys_else(api: FormatName, said: Any) -> None:
    """No client hears what the provider says of the key or its account."""
    error = read(api, said, "AccessDeniedException" if api == "bedrock" else "")
    assert isinstance(error, KeyRefused) and error.reason == "credentials"
    assert (error.status, error.body, error.caller_can_cause) == (502, None, False)


@pytest.mark.parametrize(
    ("api", "said"),
    [
        ("openai", openai(f"Project `proj_1` does not have access to model `{MODEL}`", code="model_not_found")),
        ("anthropic", anthropic(f"Your API key does not have access to {MODEL}.")),
        ("gemini", google(f"Permission 'endpoints.predict' denied on resource '//x/models/{MODEL}'")),
        ("bedrock", {"message": "You don't have access to the model with the specified model ID."}),
        ("bedrock", {"message": "Model access is denied due to IAM user or service role."}),
    ],
)
def test_a_model_that_the_key_does_not_open_is_the_versions(api: FormatName, said: Any) -> None:
    """Whoever chose the model is to hear of it; the key is good for others."""
    error = read(api, said, "AccessDeniedException" if api == "bedrock" else "")
    assert isinstance(error, KeyRefused) and (error.reason, error.param, error.blame) == ("model", "model", "version")


@pytest.mark.parametrize(
    ("api", "said", "status"),
    [
        ("openai", openai("Country, region, or territory not supported"), 403),
        ("openai", openai("no", code="unsupported_country_region_territory"), 403),
        ("gemini", {"error": {"code": 400, "message": "User location is not supported for the API use."}}, 400),
        ("anthropic", anthropic("Claude is not available in your region."), 403),
    ],
)
def test_a_region_is_the_targets(api: FormatName, said: Any, status: int) -> None:
    """Google says 400 of it; no client chose where the gateway runs."""
    error = read(api, said, status=status)
    assert isinstance(error, KeyRefused) and (error.reason, error.status) == ("region", 502)


@pytest.mark.parametrize("api", ["openai", "openai-responses", "anthropic", "gemini", "bedrock"])
@pytest.mark.parametrize("said", [b"", b"<html>Attention Required! | Cloudflare</html>", b'{"error": "Forbidden"}'])
def test_a_403_that_says_nothing_blames_nobody(api: FormatName, said: bytes) -> None:
    """A firewall may have disliked the request, or the key; clients are not to repeat it."""
    error = read(api, said)
    assert isinstance(error, Denied) and error.status == 502 and error.body is None
    assert (b"x-should-retry", b"false") in error.headers


def test_a_moderations_refusal_inside_an_answer_is_one() -> None:
    """OpenRouter may send it with HTTP 200."""
    with pytest.raises(ContentRefused):
        PROVIDERS["openai"].reply(json.dumps({"error": {"message": "flagged", **FLAGGED}}).encode())


def failed(**error: Any) -> Any:
    return {"type": "response.failed", "response": {"status": "failed", "error": error}}


# A denial of that text in each format with HTTP 200: as a whole answer, and as an event of a stream by its name.
WHOLE: list[tuple[FormatName, Any]] = [
    ("openai", lambda text: openai(text, code=403)),
    ("openai", lambda text: openai(text, code="403")),
    ("openai", lambda text: {"choices": [{"error": {"code": 403, "message": text}}]}),
    ("openai-responses", lambda text: {"status": "failed", "error": {"code": 403, "message": text}}),
    ("anthropic", anthropic),
    ("gemini", google),
    ("gemini-interactions", lambda text: openai(text, code="permission_denied")),
    (
        "gemini-interactions",
        lambda text: {"status": "failed", "errors": [{"code": "permission_denied", "message": text}]},
    ),
]
STREAMED: list[tuple[FormatName, str, Any]] = [
    ("openai", "", lambda text: openai(text, code=403)),
    ("openai", "error", lambda text: {"code": 403, "message": text}),
    ("openai", "", lambda text: {"choices": [{"index": 0, "delta": {}, "error": {"code": 403, "message": text}}]}),
    ("openai-responses", "error", lambda text: {"type": "error", "code": "403", "message": text}),
    ("openai-responses", "response.failed", lambda text: failed(code=403, message=text)),
    ("anthropic", "error", anthropic),
    ("gemini", "", google),
    (
        "gemini-interactions",
        "error",
        lambda text: {"event_type": "error", "error": openai(text, code="permission_denied")["error"]},
    ),
    ("bedrock", "accessDeniedException", lambda text: {"message": text}),
]


def read_inside(api: FormatName, event: str | None, said: Any) -> ProviderError:
    """The error of a whole answer with HTTP 200, or of an event of a stream."""
    body = json.dumps(said).encode()
    with pytest.raises(ProviderError) as caught:
        if event is None:
            PROVIDERS[api].reply(body)
        else:
            PROVIDERS[api].parser().take(event, body)
    return caught.value


@pytest.mark.parametrize(("api", "event", "shape"), [*((api, None, shape) for api, shape in WHOLE), *STREAMED])
def test_a_denial_inside_an_answer_has_a_subject_too(api: FormatName, event: str | None, shape: Any) -> None:
    """With HTTP 200, whole or in a stream, it is read as a 403 is; no key is blamed for a moderation's refusal."""
    content = read_inside(api, event, shape("The request was blocked by our content policy."))
    assert isinstance(content, ContentRefused) and content.status == 403 and content.body is not None
    region = read_inside(api, event, shape("Not available in your region."))
    assert isinstance(region, KeyRefused) and (region.reason, region.status) == ("region", 502)
    key = read_inside(api, event, shape("Your API key is disabled."))
    assert isinstance(key, KeyRefused) and (key.reason, key.body) == ("credentials", None)
    unknown = blaming_model_inside(read_inside(api, event, shape("No.")), MODEL)
    assert isinstance(unknown, Denied) and (unknown.status, unknown.body) == (502, None)
    model = blaming_model_inside(read_inside(api, event, shape(f"You may not use '{MODEL}'.")), MODEL)
    assert isinstance(model, KeyRefused) and (model.reason, model.param, model.blame) == ("model", "model", "version")


@pytest.mark.parametrize("text", [f"No endpoints found for {MODEL}.", f"The model `{MODEL}` does not exist"])
def test_an_unknown_model_inside_an_answer_is_the_versions(text: str) -> None:
    """As with a 404; another model's name, or one that a client's text quotes, is not."""
    error = blaming_model_inside(read_inside("openai", None, openai(text, code=404)), MODEL)
    assert (error.kind, error.param, error.blame) == ("error_in_answer", "model", "version")
    for other in (text.replace(MODEL, "gpt-5"), f"You said: {text}"):
        error = blaming_model_inside(read_inside("openai", None, openai(other, code=404)), MODEL)
        assert (error.param, error.blame) == (None, "client")
