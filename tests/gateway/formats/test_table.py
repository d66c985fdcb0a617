"""The table of what targets take, held against every way from a client to a provider: through, and translated."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.calls import Call, Caller, FormatName
from gateway.errors import ProviderError
from gateway.formats.applied import AppliedVersion
from gateway.formats.endpoint import ProviderEndpoint
from gateway.formats.limits import UNBOUNDED
from gateway.formats.openai_chat._quirks import HOSTS, OPENAI_HINTS, quirks
from gateway.formats.registry import PROVIDERS
from gateway.formats.translate import Attempted, translation
from gateway.json_body import Document
from gateway.net.client import Origin
from routing.agents import AgentVersion, Target

ODD = st.text(st.characters(codec="utf-8") | st.sampled_from(".:/ _-é"), min_size=1, max_size=140)
SCHEMAS = st.sampled_from(
    [{"type": "object"}, {"type": "object", "properties": {"a": {"type": "array"}}}, {"anyOf": [{"type": "object"}]},
     {"$ref": "#/$defs/P", "$defs": {"P": {"type": "object"}}, "title": "W"}]
)  # fmt: skip
IMAGES = st.sampled_from(["image/png", "image/jpg", "image/tiff", "image/webp"])
# Hints and members that ask for nothing, as clients of each format send them by themselves.
HINTS: dict[FormatName, dict[str, Any]] = {
    "openai": {"store": False, "metadata": {"a": "b"}, "service_tier": "auto", "prompt_cache_key": "k" * 90, "n": 1,
               "logprobs": False, "presence_penalty": 0, "parallel_tool_calls": True, "max_completion_tokens": 90},
    "openai-responses": {"store": False, "metadata": {"a": "b"}, "service_tier": "auto", "prompt_cache_key": "k" * 90,
                         "truncation": "disabled", "parallel_tool_calls": True, "max_output_tokens": 90},
    "anthropic": {"context_management": {"edits": []}, "service_tier": "auto", "stop_sequences": []},
    "gemini-interactions": {"labels": {"a": "b"}, "service_tier": "standard", "response_modalities": ["text"],
                            "generation_config": {"max_output_tokens": 90}},
    "gemini": {"labels": {"a": "b"}, "generationConfig": {"candidateCount": 1, "maxOutputTokens": 90}},
}  # fmt: skip
CLIENTS: list[FormatName] = sorted(HINTS)
TARGETS: list[tuple[FormatName, str, str]] = [
    *(("openai", host.removeprefix(".") if not host.startswith(".") else f"x{host}", "gpt-5") for host in HOSTS),
    ("openai", "vllm.example", "qwen3"),
    ("openai-responses", "api.openai.com", "gpt-5"),
    ("anthropic", "api.anthropic.com", "claude-sonnet-4-5"),
    ("gemini", "generativelanguage.googleapis.com", "gemini-3-pro"),
    ("gemini-interactions", "generativelanguage.googleapis.com", "gemini-3-pro"),
    ("bedrock", "bedrock-runtime.eu-central-1.amazonaws.com", "us.anthropic.claude-sonnet-4-5"),
]


def asked(client: FormatName, id: str, name: str, user: str, schema: Any, image: str) -> dict[str, Any]:
    """A conversation with an image, a call and its result, as a client of that format sends it."""
    url = f"data:{image};base64,aaaa"
    match client:
        case "openai":
            call = {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
            picture = {"type": "image_url", "image_url": {"url": url}}
            return {
                "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, picture]},
                             {"role": "assistant", "content": "x", "tool_calls": [call]},
                             {"role": "tool", "tool_call_id": id, "content": [{"type": "text", "text": "x"}]}],
                "tools": [{"type": "function", "function": {"name": name, "parameters": schema}}], "user": user,
            }  # fmt: skip
        case "openai-responses":
            shown = [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": url}]
            return {
                "input": [{"role": "user", "content": shown},
                          {"type": "function_call", "call_id": id, "name": name, "arguments": "{}"},
                          {"type": "function_call_output", "call_id": id, "output": "x"}],
                "tools": [{"type": "function", "name": name, "parameters": schema}], "user": user,
            }  # fmt: skip
        case "anthropic":
            source = {"type": "base64", "media_type": image, "data": "aaaa"}
            return {
                "max_tokens": 9, "metadata": {"user_id": user}, "tools": [{"name": name, "input_schema": schema}],
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "image", "source": source}]},
                    {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": name, "input": {}}]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "x"}]},
                ],
            }  # fmt: skip
        case "gemini-interactions":
            picture = {"type": "image", "mime_type": image, "data": "aaaa"}
            return {
                "input": [{"type": "user_input", "content": [{"type": "text", "text": "hi"}, picture]},
                          {"type": "function_call", "id": id, "name": name, "arguments": {}},
                          {"type": "function_result", "call_id": id, "name": name, "result": "x"}],
                "tools": [{"type": "function", "name": name, "parameters": schema}], "store": False,
            }  # fmt: skip
    said = {"functionResponse": {"id": id, "name": name, "response": {"output": "x"}}}
    return {
        "contents": [
            {"role": "user", "parts": [{"text": "hi"}, {"inlineData": {"mimeType": image, "data": "aaaa"}}]},
            {"role": "model", "parts": [{"functionCall": {"id": id, "name": name, "args": {}}}]},
            {"role": "user", "parts": [said]},
        ],
        "tools": [{"functionDeclarations": [{"name": name, "parametersJsonSchema": schema}]}],
    }


def sent(client: FormatName, body: dict[str, Any], target: tuple[FormatName, str, str]) -> Any:
    """What the target gets. Raises ProviderError where that is refused."""
    format, host, model = target
    to = Target("there", model)
    endpoint = ProviderEndpoint("there", Origin("https", host, 443), "/v1", PROVIDERS[format].at(host))
    document = Document.parse(json.dumps({"model": "agent", **body}).encode())
    call = Call("1", Caller("", ""), "a", None, document, False, False, [], "", 0.0, format=client)
    applied = AppliedVersion.of(AgentVersion("v1", to))
    return json.loads(translation(Attempted(call, applied, endpoint, to, format, lambda: 0.0)).request().body)


def texts(value: Any, member: str) -> list[str]:
    """Every text that stands under that name."""
    if isinstance(value, list):
        return [text for each in value for text in texts(each, member)]
    if not isinstance(value, dict):
        return []
    own = [value[member]] if isinstance(value.get(member), str) else []
    return own + [text for each in value.values() for text in texts(each, member)]


@settings(max_examples=1500, deadline=None)
@given(ODD, ODD, ODD, SCHEMAS, IMAGES, st.data())
def test_what_goes_out_fits_or_is_refused_by_name(
    id: str, name: str, user: str, schema: Any, image: str, data: st.DataObject
) -> None:
    """Ids, names, users, schemas, media types and hints, from every client's format to every target of the table."""
    client, target = data.draw(st.sampled_from(CLIENTS)), data.draw(st.sampled_from(TARGETS))
    hints = data.draw(st.fixed_dictionaries({}, optional={key: st.just(value) for key, value in HINTS[client].items()}))
    format, host, model = target
    side = PROVIDERS[format].at(host).for_client(client)
    takes, is_through = side.limits(model), client == side.name
    try:
        body = sent(client, {**asked(client, id, name, user, schema, image), **hints}, target)
    except ProviderError as refused:
        assert refused.kind == "untranslatable" and refused.param is not None
        assert refused.param.partition(".")[0] not in hints, "a hint costs no answer"
        return
    if not is_through or side.tool_name is not None:
        assert all(takes.tool_name.takes(each) and each not in takes.reserved for each in texts(body, "name"))
    known = not is_through or format != "openai" or side.tool_name is not None
    for member in ("tool_call_id", "call_id", "tool_use_id", "toolUseId") if known else ():
        assert all(takes.call_id.takes(each) for each in texts(body, member)), member
    if not is_through:
        assert all(len(each) <= takes.hints.get("user", UNBOUNDED) for each in texts(body, "user"))
        assert all(len(each) <= takes.hints.get("prompt_cache_key", 0) for each in texts(body, "prompt_cache_key"))
        assert takes.images is None or image not in ("image/tiff",)
        assert "image/jpg" not in json.dumps(body)
        assert not takes.whole_objects or '{"type": "object"}' not in json.dumps(body)
    if format == "openai" and quirks(host, model).is_closed:
        assert body.keys().isdisjoint(OPENAI_HINTS | {"max_completion_tokens", "seed", "stream_options"})


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target[0]} at {target[1]}")
@pytest.mark.parametrize("client", CLIENTS)
def test_what_clients_send_by_themselves_is_never_refused(
    client: FormatName, target: tuple[FormatName, str, str]
) -> None:
    """All hints, and all that asks for nothing, at once: no target refuses the call for it, and the chain need not
    go on."""
    body = {**asked(client, "call_1", "f", "u" * 191, {"type": "object"}, "image/png"), **HINTS[client]}
    assert sent(client, body, target)


@pytest.mark.parametrize(
    ("client", "host", "id"),
    [
        ("anthropic", "api.anthropic.com", "functions.get_weather:0"),
        ("openai", "api.openai.com", "call_" + "0123456789" * 8 + "a"),
        ("openai", "api.mistral.ai", "functions.get_weather:0"),
        ("openai-responses", "api.openai.com", "call_" + "0123456789" * 8 + "a"),
    ],
)
def test_a_conversation_that_comes_back_from_another_provider_goes_on(client: FormatName, host: str, id: str) -> None:
    """Kimi's or a gateway's ids, back in the client's own format: the call and its result get the same other id."""
    target: tuple[FormatName, str, str] = (client, host, "m")
    body = sent(client, asked(client, id, "get_weather", "u", {"type": "object"}, "image/png"), target)
    result = {"anthropic": "tool_use_id", "openai": "tool_call_id", "openai-responses": "call_id"}[client]
    call = "call_id" if client == "openai-responses" else "id"
    [*_, answered] = texts(body, result)
    assert answered in texts(body, call) and id not in json.dumps(body)
    assert PROVIDERS[client].at(host).limits("m").call_id.takes(answered)
    again = sent(client, asked(client, id, "get_weather", "u", {"type": "object"}, "image/png"), target)
    assert again == body, "a later turn says the same, so that a prompt cache sees the same"
