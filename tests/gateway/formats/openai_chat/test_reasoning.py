"""Signed thoughts in chat completions: whose they are survives a client that sends them back."""

import pytest

from gateway.formats.openai_chat._reasoning import read_details, write_details
from gateway.formats.prompt import Reasoning
from gateway.formats.registry import PROVIDERS


@pytest.mark.parametrize("signer", [*PROVIDERS, "not-yet-known"])
def test_every_signer_is_known_again(signer: str) -> None:
    """Also a format for which OpenRouter has no name."""
    thought = Reasoning("Hm.", signature="c2ln", signed_by=signer)
    assert read_details(write_details([thought])) == (thought,)


def test_a_strangers_signature_goes_back_to_a_provider_of_this_format() -> None:
    """The name is none that this gateway has written."""
    (read,) = read_details([{"type": "reasoning.encrypted", "data": "E", "format": "xai-responses-v1"}])
    assert read.signed_by == "openai"
