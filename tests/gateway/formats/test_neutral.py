"""Members that say nothing: real clients send them to every provider, and none of another format knows them."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.calls import FormatName
from gateway.formats.prompt import Untranslatable
from gateway.formats.registry import CLIENTS, PROVIDERS

Body = dict[str, Any]
HELLO = [{"role": "user", "content": "hi"}]
ASKED: dict[FormatName, Body] = {
    "openai": {"model": "a", "messages": HELLO},
    "anthropic": {"model": "a", "messages": HELLO, "max_tokens": 9},
    "openai-responses": {"model": "a", "input": "hi"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    "gemini-interactions": {"model": "a", "input": "hi"},
}
MODELS = {"openai": "gpt-5", "openai-responses": "gpt-5", "anthropic": "claude-sonnet-4-6", "gemini": "gemini-3-pro",
          "gemini-interactions": "gemini-3-pro",
          "bedrock": "anthropic.claude-sonnet-4-5"}  # fmt: skip
# What a zod or Pydantic schema looks like.
SCHEMA = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "A", "type": "object", "required": ["a"],
          "properties": {"a": {"type": "string", "examples": ["x"]}}, "additionalProperties": False}  # fmt: skip
FUNCTION = {"name": "f", "parametersJsonSchema": SCHEMA}

CONFIGS: list[Body] = [
    {}, {"candidateCount": 1}, {"responseModalities": ["TEXT"]}, {"responseModalities": []},
    {"stopSequences": []}, {"presencePenalty": 0, "frequencyPenalty": 0.0}, {"responseMimeType": "text/plain"},
    {"mediaResolution": "MEDIA_RESOLUTION_UNSPECIFIED"}, {"speechConfig": {}}, {"routingConfig": {}},
    {"audioTimestamp": False}, {"enableEnhancedCivicAnswers": False}, {"thinkingConfig": {}},
    {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
]  # fmt: skip


def by(client: FormatName, *members: Body) -> list[tuple[FormatName, Body]]:
    return [(client, each) for each in members]


NEUTRAL = [
    *by(
        "gemini",
        {"safetySettings": []},
        {"cachedContent": ""},
        {"tools": []}, {"toolConfig": {}}, {"labels": {}}, {"serviceTier": "standard"}, {"store": False},
        {"tools": [{"functionDeclarations": [{**FUNCTION, "behavior": "BLOCKING", "responseJsonSchema": {}}]}]},
        *({"generationConfig": config} for config in CONFIGS),
    ),
    *by(
        "gemini-interactions",
        {"safety_settings": []}, {"cached_content": ""}, {"tools": []}, {"labels": {}}, {"service_tier": "standard"},
        {"store": True}, {"background": False}, {"response_modalities": ["text"]}, {"webhook_config": {}},
        {"generation_config": {}}, {"generation_config": {"stop_sequences": [], "speech_config": []}},
        {"generation_config": {"thinking_summaries": "none", "tool_choice": "auto"}}, {"system_instruction": ""},
        {"previous_interaction_id": None}, {"environment": None}, {"response_format": {"type": "text"}},
        {"response_format": {"type": "text", "mime_type": "application/json", "schema": SCHEMA}},
        {"response_mime_type": "text/plain"},
        {"safety_settings": [{"type": "harassment", "threshold": "block_none"}]},
        {"input": {"type": "text", "text": "hi", "annotations": [{"type": "url_citation"}]}},
    ),
    *by(
        "anthropic",
        {"mcp_servers": []}, {"speed": "standard"}, {"service_tier": "auto"}, {"tools": []}, {"stop_sequences": []},
        {"context_management": {"edits": []}}, {"metadata": {}}, {"thinking": {"type": "disabled"}}, {"betas": []},
        {"inference_geo": "global"}, {"container": None}, {"system": []}, {"system": ""},
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    ),
    *by(
        "openai",
        {"presence_penalty": 0}, {"frequency_penalty": 0.0}, {"n": 1}, {"logit_bias": {}}, {"logprobs": False},
        {"top_logprobs": 0}, {"stop": []}, {"stop": None}, {"tools": []}, {"tool_choice": "auto"}, {"functions": []},
        {"modalities": ["text"]}, {"response_format": {"type": "text"}}, {"parallel_tool_calls": True},
        {"verbosity": "medium"}, {"metadata": {}}, {"store": False}, {"user": ""}, {"extra_body": {}},
        {"top_k": -1}, {"min_p": 0}, {"min_p": 0.0}, {"repetition_penalty": 1.0}, {"chat_template_kwargs": {}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}},
    ),
    *by(
        "openai-responses",
        {"truncation": "disabled"}, {"background": False},
        {"text": {"format": {"type": "text"}, "verbosity": "medium"}},
        {"include": []}, {"include": ["reasoning.encrypted_content"]}, {"top_logprobs": 0}, {"tools": []},
        {"reasoning": {}}, {"metadata": {}}, {"store": True}, {"service_tier": "auto"}, {"prompt": None},
        {"conversation": None}, {"max_tool_calls": 3}, {"tool_choice": "auto"}, {"instructions": ""},
        {"client_metadata": {}}, {"context_management": []}, {"prompt_cache_key": ""},
    ),
]  # fmt: skip


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("client", "members"), NEUTRAL)
def test_a_neutral_member_is_refused_by_nobody(client: FormatName, members: Body, provider: FormatName) -> None:
    """A value that asks for nothing is left out, whichever client sends it to whichever provider."""
    prompt = CLIENTS[client].prompt({**ASKED[client], **members})
    assert PROVIDERS[provider].write(prompt, MODELS[provider]).body


@pytest.mark.parametrize(
    ("client", "members"),
    [
        ("gemini", {"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_LOW_AND_ABOVE"}]}),
        ("gemini", {"generationConfig": {"audioTimestamp": True}}),
        ("gemini", {"generationConfig": {"candidateCount": 2}}),
        ("gemini-interactions", {"previous_interaction_id": "v1_x"}),
        ("gemini-interactions", {"background": True}),
        ("gemini-interactions", {"agent": "deep-research-preview-04-2026"}),
        ("gemini-interactions", {"agent_config": {"type": "deep-research"}}),
        ("gemini-interactions", {"continuation_token": "x"}),
        ("gemini-interactions", {"environment": "env_1"}),
        ("gemini-interactions", {"cached_content": "cachedContents/x"}),
        ("gemini-interactions", {"safety_settings": [{"type": "harassment", "threshold": "block_only_high"}]}),
        ("gemini-interactions", {"webhook_config": {"uris": ["https://example.org"]}}),
        ("gemini-interactions", {"response_modalities": ["audio"]}),
        ("gemini-interactions", {"response_format": {"type": "image"}}),
        ("gemini-interactions", {"tools": [{"type": "google_search"}]}),
        ("gemini-interactions", {"generation_config": {"speech_config": {"voice": "x"}}}),
        ("gemini-interactions", {"generation_config": {"thinking_level": "ultra"}}),
        ("gemini-interactions", {"input": [{"type": "google_search_call", "id": "x", "arguments": {}}]}),
        ("openai", {"min_p": 0.1}),
        ("openai", {"verbosity": "shouted"}),
        ("openai-responses", {"context_management": [{"type": "compaction"}]}),
        ("anthropic", {"mcp_servers": [{"name": "m", "type": "url", "url": "https://example.org"}]}),
    ],
)
def test_a_member_that_asks_is_refused_by_name(client: FormatName, members: Body) -> None:
    """What does ask for something is never left out in silence."""
    prompt = CLIENTS[client].prompt({**ASKED[client], **members})
    with pytest.raises(Untranslatable) as caught:
        PROVIDERS["bedrock"].write(prompt, MODELS["bedrock"])
    assert caught.value.param


@pytest.mark.parametrize("client", ["openai", "gemini", "gemini-interactions", "anthropic"])
def test_annotations_leave_the_native_way(client: FormatName) -> None:
    """`$schema` and other annotations constrain nothing: Claude is held to the schema natively, without them."""
    asked: dict[FormatName, Body] = {
        "openai": {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
        "gemini": {"generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}},
        "gemini-interactions": {"response_format": {"type": "text", "mime_type": "application/json", "schema": SCHEMA}},
        "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    }
    prompt = CLIENTS[client].prompt({**ASKED[client], **asked[client]})
    body = PROVIDERS["anthropic"].write(prompt, "claude-sonnet-4-6").body
    schema = body["output_config"]["format"]["schema"]
    assert "tools" not in body and "$schema" not in schema and "examples" not in schema["properties"]["a"]


@pytest.mark.parametrize("client", ["openai", "gemini", "openai-responses", "anthropic"])
def test_mistral_is_not_asked_for_usage(client: FormatName) -> None:
    """It tells the usage of every stream, and refuses to be asked for it."""
    prompt = replace(CLIENTS[client].prompt(ASKED[client]), stream=True)
    at = {host: PROVIDERS["openai"].at(host).write(prompt, "m").body for host in ("api.mistral.ai", "api.x.ai")}
    assert "stream_options" not in at["api.mistral.ai"] and at["api.x.ai"]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("host", ["", "api.deepseek.com", "api.openai.com", "openrouter.ai"])
@pytest.mark.parametrize("client", ["anthropic", "openai"])
def test_texts_of_a_result_are_one_string(client: FormatName, host: str) -> None:
    """DeepSeek refuses a list of texts as the result of a function."""
    texts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns: dict[FormatName, list[Body]] = {
        "anthropic": [
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": texts}]},
        ],
        "openai": [
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "a", "content": texts},
        ],
    }
    prompt = CLIENTS[client].prompt({**ASKED[client], "messages": [*HELLO, *turns[client]]})
    messages = PROVIDERS["openai"].at(host).write(prompt, "m").body["messages"]
    assert messages[-1]["content"] == "one\n\ntwo"
