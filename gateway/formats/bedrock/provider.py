"""Converse as Bedrock speaks it, as a provider's format: no client speaks it."""

from collections.abc import Mapping

from gateway.formats.bedrock import NAME
from gateway.formats.bedrock._framing import EventStreamFramer
from gateway.formats.bedrock._signing import ChainSigner
from gateway.formats.bedrock.errors import provider_error
from gateway.formats.bedrock.provider_answer import read_reply
from gateway.formats.bedrock.provider_request import LIMITS, path, write
from gateway.formats.bedrock.provider_stream import ConverseParser
from gateway.formats.prompt import Untranslatable
from gateway.formats.protocol import ProviderFacts, ProviderSide, Signing
from gateway.formats.settings import Settings
from gateway.json_body import Document


def _amend(_document: Document, _settings: Settings, _model: str) -> Mapping[str, str | None]:
    """Raise Untranslatable: there is no client of this format whose request could be amended."""
    raise Untranslatable("no client speaks Converse", param="model")


PROVIDER = ProviderSide(
    name=NAME,
    facts=ProviderFacts(
        api_name="Converse",
        base_url="https://bedrock-runtime.{region}.amazonaws.com",
        price_source="aws",
        semantic_name="aws.bedrock",
        stream_type=b"application/vnd.amazon.eventstream",
        framer=EventStreamFramer,
        signing=Signing(ChainSigner, package="botocore", extra="bedrock"),
    ),
    limits=lambda _model: LIMITS,
    path=path,
    body=write,
    amend=_amend,
    reply=read_reply,
    parser=ConverseParser,
    error=provider_error,
)
