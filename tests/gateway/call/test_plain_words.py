"""Words of a provider's error that are encoded, or that are keys, are masked; those that help stay."""

from base64 import b32encode, b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest

from gateway.call.failure_note import note_failure
from gateway.call.quotations import without_quotations
from gateway.calls import Attempt
from gateway.errors import ProviderError, ProviderWords

PROMPT = "my password is opensesame, and she pays with card 4111111111111111"
KEY = "team-blue-access-key"
READABLE = [
    # OpenAI
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 10240 tokens.",
    "Rate limit reached for gpt-4o in organization on tokens per min (TPM): Limit 30000, Used 29500, Requested 1024. "
    "Please try again in 1.048s. Visit https://platform.openai.com/account/rate-limits to learn more.",
    "Rate limit reached. Please try again in 7m12s.",
    "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
    "Invalid 'messages[3].tool_calls[0].function.name': string does not match pattern. Expected '^[a-zA-Z0-9_-]+$'.",
    "Invalid schema for response_format: 'additionalProperties' is required to be supplied and to be false.",
    "The model `gpt-4.1-mini-2025-04-14` does not exist or you do not have access to it.",
    # Anthropic
    "prompt is too long: 200251 tokens > 200000 maximum",
    "max_tokens: 64000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet-20241022",
    "messages.1.content.0.tool_result.content.0.image.source.base64.data: At least one of the image dimensions exceed "
    "max allowed size: 8000 pixels",
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.",
    "Overloaded",
    # Google
    "models/gemini-2.0-flash-001 is not found for API version v1beta, or is not supported for generateContent.",
    "RESOURCE_EXHAUSTED: Quota exceeded for metric: generate_content_free_tier_requests, limit: 15",
    "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).",
    "Unable to submit request because it has a maxOutputTokens value of 99999 but the supported range is from 1.",
    # AWS
    "ValidationException: Malformed input request: #/top_k: 500 is not less or equal to 128",
    "ThrottlingException: Too many tokens, please wait before trying again.",
    "Invocation of model ID anthropic.claude-3-7-sonnet-20250219-v1:0 with on-demand throughput isn't supported.",
    # Azure
    "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded call "
    "rate limit of your current OpenAI S0 pricing tier. Please retry after 26 seconds.",
    "The API deployment for this resource does not exist. (DeploymentNotFound)",
    # Servers of one's own
    "vLLM: CUDA out of memory. Tried to allocate 2.50 GiB on H100, 1024x1024",
]


@pytest.mark.parametrize("said", READABLE)
def test_errors_stay_readable(said: str) -> None:
    """Limits, names of models and parameters, durations and addresses of documentation stay."""
    assert without_quotations(said, lambda: PROMPT) == said


def base64(text: str) -> str:
    return b64encode(text.encode()).decode()


SECRETS = [
    quote(PROMPT),
    quote("opensesame sir").replace("%20", "\\u0020"),
    "".join(f"%{byte:02x}" for byte in b"opensesame"),
    "".join(f"={byte:02X}" for byte in b"opensesame"),
    "&#111;pensesame",
    "\\nopensesame",
    base64(PROMPT),
    base64("opensesame"),
    base64(PROMPT)[5:25],
    urlsafe_b64encode(bytes(range(190, 250))).decode(),
    b32encode(b"opensesame").decode(),
    PROMPT.encode().hex(),
    b"opensesame".hex().upper(),
    "sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz",
    "sk-ant-api-plain-words-only",
    "sk-stand********************7890",
    "AIzaSyA-plain_words",
    "AKIAIOSFODNNEXAMPLE",
    "ghp_abcdefghijklmnop",
    "org-AbCdEfGhIjKl",
    "SK-STANDIN-PLANTED-SECRET-12",
    "anna.b@example.org",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "4111111111111112",
    "0b9f1d4e-1111-4222-8333-abcdefabcdef",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("frame", ["flagged: {} here", "value='{}', code", "input=({})", '{{"input":"{}"}}'])
def test_secrets_go(secret: str, frame: str) -> None:
    """What is encoded or like a key is masked, although the request does not hold it."""
    kept = without_quotations(frame.format(secret), lambda: PROMPT)
    pieces = {secret[at : at + 5] for at in range(len(secret) - 4)}
    assert "…" in kept and "…=" not in kept and not any(piece in kept for piece in pieces if piece not in frame), kept


def test_configured_names_stay() -> None:
    """A configured name stays although it has the shape of a key."""
    name = "ft:gpt-4o:acme::AbC12xYz"
    assert without_quotations(f"the model '{name}' is overloaded", lambda: "", [name]).count(name) == 1


@pytest.mark.parametrize("written", [KEY, KEY.upper(), f"key:{KEY},", base64(KEY), quote(f"{KEY} "), KEY[:16] + "..."])
def test_the_callers_own_key_goes(written: str) -> None:
    """A provider that repeats the client's key does not bring it to the log, though plain words make it up."""
    attempt = Attempt("p/m", 0.0)
    words = ProviderWords(f"Incorrect key {written} in request", KEY, KEY, KEY)
    error = ProviderError("status", "refused", upstream_status=401)
    error.words = words
    note_failure(attempt, error, lambda: PROMPT, (), None, (KEY,))
    assert "blue" not in attempt.message.lower() and base64(KEY)[:8] not in attempt.message
    assert attempt.message.startswith("Incorrect key ") and not (attempt.code or attempt.param or attempt.upstream_id)


def test_a_providers_request_id_stays_in_its_field() -> None:
    """The id that a provider's support asks for is kept, and no key in its place."""
    for given, kept in (("req_011CSHoEeqs5C35K2UUqR7Fy", True), ("sk-proj-AbCdEfGh1234", False)):
        attempt = Attempt("p/m", 0.0)
        error = ProviderError("status", "refused")
        error.words = ProviderWords("", "", "", given)
        note_failure(attempt, error, lambda: PROMPT, (), None)
        assert attempt.upstream_id == (given if kept else "")
