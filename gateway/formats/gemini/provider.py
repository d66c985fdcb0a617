"""GenerateContent (the Generative Language API, behind a base path that ends in /v1beta), as a provider's format."""

from gateway.formats.cloud_files import check_contents
from gateway.formats.gemini import NAME
from gateway.formats.gemini.amend import amend
from gateway.formats.gemini.errors import read_error
from gateway.formats.gemini.provider_answer import read_answer
from gateway.formats.gemini.provider_request import LIMITS, path, write
from gateway.formats.gemini.provider_stream import StreamParser
from gateway.formats.gemini_interactions.provider import PROVIDER as INTERACTIONS
from gateway.formats.protocol import ProviderFacts, ProviderSide

PROVIDER = ProviderSide(
    name=NAME,
    facts=ProviderFacts(
        api_name="generateContent",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        price_source="google",
        semantic_name="gcp.gemini",
        models_path="/models?pageSize=1000",
        has_own_models_alone=True,
        key_header="x-goog-api-key",
        account_headers=(b"x-goog-user-project",),
        keeps_answers_at=INTERACTIONS.facts.keeps_answers_at,
    ),
    limits=lambda _model: LIMITS,
    path=path,
    body=write,
    amend=amend,
    reply=read_answer,
    parser=StreamParser,
    error=read_error,
    check_files=check_contents,
    beside={INTERACTIONS.name: INTERACTIONS},
)
