"""The Interactions API (behind a base path that ends in /v1beta), as a provider's format."""

from gateway.formats.cloud_files import check_input
from gateway.formats.gemini_interactions import NAME
from gateway.formats.gemini_interactions._adopting import adopt
from gateway.formats.gemini_interactions._door import PATH
from gateway.formats.gemini_interactions._terms import REVISION
from gateway.formats.gemini_interactions.amend import amend
from gateway.formats.gemini_interactions.errors import read_error
from gateway.formats.gemini_interactions.provider_answer import read_answer
from gateway.formats.gemini_interactions.provider_request import LIMITS, write
from gateway.formats.gemini_interactions.provider_stream import InteractionParser
from gateway.formats.protocol import ProviderFacts, ProviderSide

PROVIDER = ProviderSide(
    name=NAME,
    facts=ProviderFacts(
        api_name="Interactions",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        price_source="google",
        semantic_name="gcp.gemini",
        models_path="/models?pageSize=1000",
        key_header="x-goog-api-key",
        header_prefix=b"api-revision",
        account_headers=(b"x-goog-user-project",),
        default_headers=((b"api-revision", REVISION),),
        keeps_answers_at=PATH,
        has_own_models_alone=True,
    ),
    limits=lambda _model: LIMITS,
    path=lambda _model, _stream: PATH,
    body=write,
    amend=amend,
    reply=read_answer,
    parser=InteractionParser,
    error=read_error,
    check_files=check_input,
    adopt=adopt,
)
