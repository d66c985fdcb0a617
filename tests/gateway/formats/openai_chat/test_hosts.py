"""Servers of chat completions that are known to refuse what others take, for requests that pass and written ones."""

import json
from typing import Any

import pytest

from gateway.calls import Call, Caller
from gateway.formats.applied import AppliedVersion
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.openai_chat import NAME
from gateway.formats.registry import CLIENTS, PROVIDERS
from gateway.formats.translate import Attempted, translation
from gateway.json_body import Document
from gateway.net.client import Origin
from routing.agents import AgentVersion, Target

TEXTS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
HI = {"role": "user", "content": "hi"}
CALL = {"id": "call_0123456789", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def sent(host: str, body: dict[str, Any], stream: bool = False, parameters: dict[str, str] | None = None) -> Any:
    """What a server at that host gets of a client's chat completion."""
    target = Target("there", "some-model")
    version = AgentVersion("v1", target, parameters=parameters or {})
    endpoint = ProviderEndpoint("there", Origin("https", host, 443), "/v1", PROVIDERS[NAME].at(host))
    document = Document.parse(json.dumps({"model": "agent", "messages": [HI], **body}).encode())
    call = Call("1", Caller("", ""), "a", None, document, stream, False, [], "", 0.0, format=NAME)
    attempted = Attempted(call, AppliedVersion.of(version), endpoint, target, NAME, lambda: 0.0)
    return json.loads(translation(attempted).request().body)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 5, "max_tokens": 7}, {"max_tokens": 5}),
        ({"seed": 3}, {"random_seed": 3}),
        ({"user": "u", "metadata": {"a": "b"}, "store": True, "service_tier": "auto"}, {}),
        ({"prompt_cache_key": "k", "safety_identifier": "s", "prediction": None}, {}),
        ({"stream_options": {"include_usage": True}, "stream": True}, {"stream": True}),
        ({"temperature": 0, "random_seed": 1}, {"temperature": 0, "random_seed": 1}),
    ],
)
def test_mistral_gets_its_own_names_and_no_hints(given: dict[str, Any], got: dict[str, Any]) -> None:
    """Its API answers 422 to members of OpenAI's that it does not know; so a fallback there would be none."""
    body = sent("api.mistral.ai", given, bool(given.get("stream")))
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == got


@pytest.mark.parametrize(
    ("parameters", "got"),
    [
        ({"max_completion_tokens": "9"}, {"max_tokens": 9}),
        ({"max_tokens": "9"}, {"max_tokens": 9}),
        ({"seed": "1", "user": '"u"'}, {"random_seed": 1}),
    ],
)
def test_what_a_version_sets_is_named_alike(parameters: dict[str, str], got: dict[str, Any]) -> None:
    """A version that was written for OpenAI, on its way to a fallback at Mistral; the client's own limit is gone."""
    body = sent("api.mistral.ai", {"max_completion_tokens": 5} if "seed" not in parameters else {}, False, parameters)
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == got


@pytest.mark.parametrize("host", ["api.openai.com", "vllm.example", "openrouter.ai"])
def test_others_get_what_came(host: str) -> None:
    """Whoever is not known to refuse a member is asked as the client asks."""
    body = {"max_completion_tokens": 5, "seed": 3, "user": "u", "metadata": {"a": "b"}, "store": True}
    assert body.items() <= sent(host, body).items()


@pytest.mark.parametrize("marks", [{}, {"cache_control": {"type": "ephemeral"}}])
def test_deepseek_gets_texts_as_one(marks: dict[str, Any]) -> None:
    """A list of texts is a 400 there ("invalid type: sequence, expected a string"); an image stays a list."""
    texts = [{**text, **marks} for text in TEXTS]
    image = [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}, *texts]
    messages = [
        {"role": "system", "content": texts}, {"role": "user", "content": texts}, {"role": "user", "content": image},
        {"role": "assistant", "content": texts, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": CALL["id"], "content": texts}, {"role": "user", "content": []},
    ]  # fmt: skip
    got = sent("api.deepseek.com", {"messages": messages})["messages"]
    assert [message["content"] for message in got] == ["a\n\nb", "a\n\nb", image, "a\n\nb", "a\n\nb", ""]
    assert sent("api.openai.com", {"messages": messages})["messages"][4]["content"] == texts


@pytest.mark.parametrize("host", ["api.groq.com", "api.cerebras.ai", "api.mistral.ai", "api.openai.com"])
def test_thoughts_that_a_host_refuses_are_left_out(host: str) -> None:
    """`reasoning_content` of an earlier turn is a 400 there, so the second turn of each conversation would fail."""
    messages = [HI, {"role": "assistant", "content": "x", "reasoning_content": "Hm.", "reasoning": "Hm."}, HI]
    assert sent(host, {"messages": messages})["messages"][1] == {"role": "assistant", "content": "x"}


@pytest.mark.parametrize("host", ["api.deepseek.com", "api.openai.com", "api.mistral.ai", "vllm.example"])
def test_written_texts_alone_are_one_string(host: str) -> None:
    """For a client of another format, at every host: system, user, assistant and result."""
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    asked = {
        "max_tokens": 9, "system": TEXTS,
        "messages": [
            {"role": "user", "content": TEXTS}, {"role": "assistant", "content": [*TEXTS, use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": TEXTS}, *TEXTS]},
        ],
    }  # fmt: skip
    written = PROVIDERS[NAME].at(host).write(CLIENTS["anthropic"].prompt(asked), "some-model").body
    said = [message["content"] for message in written["messages"]]
    assert all(isinstance(content, str) for content in said) and said[-1] == said[-2] == "a\n\nb"


def test_written_texts_keep_marks_where_they_are_known() -> None:
    """OpenRouter takes marks for a prompt cache, which only a list can bear."""
    marked = [{**TEXTS[0], "cache_control": {"type": "ephemeral"}}, TEXTS[1]]
    prompt = CLIENTS["anthropic"].prompt({"max_tokens": 9, "messages": [{"role": "user", "content": marked}]})
    assert PROVIDERS[NAME].at("openrouter.ai").write(prompt, "m").body["messages"][0]["content"] == marked
    assert PROVIDERS[NAME].at("vllm.example").write(prompt, "m").body["messages"][0]["content"] == "a\n\nb"
