"""The Responses API, as a provider's format."""

from gateway.formats.openai_chat.errors import ERROR_SHAPE
from gateway.formats.openai_responses import NAME
from gateway.formats.openai_responses.amend import amend
from gateway.formats.openai_responses.errors import provider_error
from gateway.formats.openai_responses.provider_answer import read_reply
from gateway.formats.openai_responses.provider_request import LIMITS, PATH, limits, write
from gateway.formats.openai_responses.provider_stream import ResponsesParser
from gateway.formats.protocol import ProviderFacts, ProviderSide

PROVIDER = ProviderSide(
    name=NAME,
    facts=ProviderFacts(
        api_name="Responses",
        base_url="https://api.openai.com/v1",
        price_source="openai",
        semantic_name="openai",
        header_prefix=b"openai-",
        error_shape=ERROR_SHAPE,
        has_openai_endpoints=True,
        keeps_answers_at=PATH,
        models_path="/models",
        tells_endings=True,
    ),
    limits=limits,
    path=lambda _model, _stream: PATH,
    body=write,
    amend=amend,
    reply=read_reply,
    parser=ResponsesParser,
    error=provider_error,
    tool_name=LIMITS.tool_name,
)
