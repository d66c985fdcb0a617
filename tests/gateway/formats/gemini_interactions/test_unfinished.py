"""Answers of a provider that the client did not ask to wait for, read for a client of another format."""

import json

import pytest

from gateway.calls import Call, Caller
from gateway.errors import ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.registry import PROVIDERS
from gateway.formats.translate import Attempted, translation
from gateway.json_body import Document
from gateway.net.client import Origin
from routing.agents import AgentVersion, Target


@pytest.mark.parametrize("status", ["in_progress", "queued"])
def test_an_answer_that_is_not_finished_is_malformed(status: str) -> None:
    """A client of chat completions has no way to ask for the rest; an empty answer would pass for a whole one."""
    target = Target("there", "gemini-3-flash-preview")
    endpoint = ProviderEndpoint("there", Origin("https", "there", 443), "/v1beta", PROVIDERS["gemini-interactions"])
    document = Document.parse(b'{"model": "agent", "messages": [{"role": "user", "content": "hi"}]}')
    call = Call("1", Caller("", ""), "a", None, document, False, False, [], "", 0.0, format="openai")
    version = AppliedVersion.of(AgentVersion("v1", target))
    translated = translation(Attempted(call, version, endpoint, target, "openai", lambda: 0.0))
    with pytest.raises(ProviderError, match="not finished") as raised:
        translated.whole(json.dumps({"id": "v1_a", "object": "interaction", "status": status, "steps": []}).encode())
    assert raised.value.kind == "malformed"
