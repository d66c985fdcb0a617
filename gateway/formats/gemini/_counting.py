"""`models/{agent}:countTokens`: how many tokens a request would take, without an answer to it."""

from collections.abc import Mapping
from typing import Any

from gateway.calls import MAX_TOKENS_COUNTED
from gateway.errors import ProviderError
from gateway.formats.door import Counting
from gateway.formats.gemini.amend import amend
from gateway.formats.gemini.errors import error_inside
from gateway.formats.provider_json import parse
from gateway.formats.settings import Settings
from gateway.json_body import Document, encode

_WHOLE = ("generateContentRequest", "generate_content_request")


def _asked(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the request whose tokens are counted: the client gives its contents, or all of it."""
    inner = next((values[name] for name in _WHOLE if name in values), None)
    return inner if isinstance(inner, dict) else values


def _changes(document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
    """Return the changes that make the question one about the whole request, with the version in it.

    Raises Untranslatable as a request to that model does.
    """
    name = next((name for name in _WHOLE if isinstance(document.values.get(name), dict)), None)
    asked = document if name is None else Document.parse(document.texts[name].encode())
    whole = asked.render({**amend(asked, settings, model), "model": encode(f"models/{model}")})
    return {**dict.fromkeys(document.values), _WHOLE[0]: whole.decode()}


def _check(body: bytes) -> None:
    """Raise ProviderError when what a provider answered is no count."""
    members = parse(body)
    if (error := error_inside(members, body)) is not None:
        raise error
    tokens = members.get("totalTokens", 0) if isinstance(members, dict) else None
    if not (isinstance(tokens, int) and not isinstance(tokens, bool) and 0 <= tokens <= MAX_TOKENS_COUNTED):
        raise ProviderError("malformed", "the provider's answer is not a token count")


COUNTING = Counting(
    path="/v1beta/models/{model:path}:countTokens",
    other_path="/v1/models/{model:path}:countTokens",
    provider_path="/models/{model}:countTokens",
    changes=_changes,
    check=_check,
    answer=lambda tokens: encode({"totalTokens": tokens}).encode(),
    asked=_asked,
)
