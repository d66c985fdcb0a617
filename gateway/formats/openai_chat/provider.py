"""Chat completions, as a provider's format: many providers offer it, each with habits of its own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.formats.limits import FormatLimits
from gateway.formats.openai_chat import NAME, _limits
from gateway.formats.openai_chat._quirks import quirks
from gateway.formats.openai_chat.amend import PATH, amend
from gateway.formats.openai_chat.errors import ERROR_SHAPE, read_error
from gateway.formats.openai_chat.provider_answer import read_reply
from gateway.formats.openai_chat.provider_request import write_request
from gateway.formats.openai_chat.provider_stream import ChatParser
from gateway.formats.prompt import Prompt
from gateway.formats.protocol import ProviderFacts, ProviderSide
from gateway.formats.settings import Settings
from gateway.json_body import Document

_FACTS = ProviderFacts(
    api_name="chat completions; many providers and inference servers offer it",
    base_url="https://api.openai.com/v1",
    price_source="openai",
    semantic_name="openai",
    header_prefix=b"openai-",
    account_headers=(b"openai-organization", b"openai-project", b"chatgpt-account-id", b"x-ms-client-tenant-id"),
    error_shape=ERROR_SHAPE,
    has_openai_endpoints=True,
    models_path="/models",
    tells_endings=True,
)
_KEY_PATHS = {"openrouter.ai": "/key"}  # lists its models for everybody


def at(host: str) -> ProviderSide:
    """The format as the provider at that host speaks it; '' while it is not known."""

    def limits(model: str) -> FormatLimits:
        return _limits.limits(host, model)

    def body(prompt: Prompt, model: str) -> Mapping[str, Any]:
        return write_request(prompt, model, quirks(host, model))

    def changes(document: Document, settings: Settings, model: str) -> Mapping[str, str | None]:
        return amend(document, settings, model, host)

    known = _limits.known_host(host)
    return ProviderSide(
        name=NAME,
        facts=replace(_FACTS, key_path=_KEY_PATHS.get(host)),
        limits=limits,
        path=lambda _model, _stream: PATH,
        body=body,
        amend=changes,
        reply=read_reply,
        parser=ChatParser,
        error=read_error,
        tool_name=None if known is None else known.tool_name,
        of_host=at,
    )


PROVIDER = at("")
