"""The Messages API, as a provider's format."""

from gateway.formats.anthropic import NAME
from gateway.formats.anthropic.amend import amend
from gateway.formats.anthropic.errors import provider_error
from gateway.formats.anthropic.provider_answer import read_reply
from gateway.formats.anthropic.provider_request import LIMITS, PATH, write
from gateway.formats.anthropic.provider_stream import MessagesParser
from gateway.formats.protocol import ProviderFacts, ProviderSide

PROVIDER = ProviderSide(
    name=NAME,
    facts=ProviderFacts(
        api_name="Messages",
        base_url="https://api.anthropic.com/v1",
        price_source="anthropic",
        semantic_name="anthropic",
        models_path="/models?limit=1000",
        key_header="x-api-key",
        header_prefix=b"anthropic-",
        account_headers=(b"anthropic-organization-id", b"anthropic-workspace", b"anthropic-workspace-id"),
        default_headers=((b"anthropic-version", b"2023-06-01"),),
    ),
    limits=lambda _model: LIMITS,
    path=lambda _model, _stream: PATH,
    body=write,
    amend=amend,
    reply=read_reply,
    parser=MessagesParser,
    error=provider_error,
    tool_name=LIMITS.tool_name,
)
