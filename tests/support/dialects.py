"""The five wire formats as their clients write and read them, and as their providers hear them: literal members alone.

A **turn** is one conversation in five spellings: a system prompt, an image and a question, with one function offered.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway.formats.prompt import FormatName

SYSTEM = "You are a bird."
PIXEL = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
FOUND = "found it"


class Said(NamedTuple):
    """What a client reads of an answer: its text, its calls, why it ended, tokens in and out."""

    text: str
    calls: list[tuple[str, str, Any]]  # id, name, arguments
    stop: str
    usage: tuple[int, int]


class Heard(NamedTuple):
    """What a provider hears of a request. `results` are ids and texts."""

    system: str
    text: str
    image: tuple[str, str]
    tools: list[str]
    results: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One wire format. `ask` writes a request; `after` is the next turn: the calls of an answer with their results.

    `whole` and `streamed` read answers, `told` an error body's message, `heard` what arrived at a provider.
    """

    path: Callable[[str, bool], str]
    ask: Callable[[str, str, bool], dict[str, Any]]
    after: Callable[[dict[str, Any], Any], dict[str, Any]]
    whole: Callable[[Any], Said]
    streamed: Callable[[Sequence[Any]], Said]
    told: Callable[[Any], str]
    heard: Callable[[Any], Heard]


def image_of(url: str) -> tuple[str, str]:
    """Media type and base64 of a data URL."""
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return kind, data


def only(parts: Sequence[Mapping[str, Any]], name: str) -> list[Any]:
    """That member of the parts that have it."""
    return [part[name] for part in parts if name in part]


# OpenAI's chat completions


def _chat_ask(agent: str, text: str, stream: bool) -> dict[str, Any]:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    user = {"role": "user", "content": [{"type": "text", "text": text}, image]}
    asked = {
        "model": agent,
        "messages": [{"role": "system", "content": SYSTEM}, user],
        "tools": [{"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}],
    }
    return {**asked, "stream": True, "stream_options": {"include_usage": True}} if stream else asked


def _chat_after(asked: dict[str, Any], answer: Any) -> dict[str, Any]:
    message = answer["choices"][0]["message"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": FOUND} for call in message["tool_calls"]]
    return {**asked, "messages": [*asked["messages"], message, *results]}


def _chat_whole(answer: Any) -> Said:
    choice, usage = answer["choices"][0], answer["usage"]
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in choice["message"].get("tool_calls") or ()
    ]
    tokens = (usage["prompt_tokens"], usage["completion_tokens"])
    return Said(choice["message"].get("content") or "", calls, choice["finish_reason"], tokens)


def _chat_streamed(events: Sequence[Any]) -> Said:
    *chunks, last, done = events
    assert done == "[DONE]" and last["choices"] == []
    choices = [chunk["choices"][0] for chunk in chunks]
    pieces = [call for choice in choices for call in choice["delta"].get("tool_calls") or ()]
    calls = [
        (begun["id"], begun["function"]["name"], json.loads("".join(_arguments_of(pieces, begun["index"]))))
        for begun in pieces
        if begun.get("id")
    ]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    [stop] = [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]
    return Said(text, calls, stop, (last["usage"]["prompt_tokens"], last["usage"]["completion_tokens"]))


def _arguments_of(pieces: Sequence[Any], index: int) -> list[str]:
    return [piece["function"].get("arguments") or "" for piece in pieces if piece["index"] == index]


def _chat_heard(body: Any) -> Heard:
    system, user, *rest = body["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    parts = [part for part in user["content"] if part["type"] == "image_url"]
    text = "".join(only(user["content"], "text"))
    results = [(message["tool_call_id"], message["content"]) for message in rest if message["role"] == "tool"]
    tools = [tool["function"]["name"] for tool in body["tools"]]
    return Heard(system["content"], text, image_of(parts[0]["image_url"]["url"]), tools, results)


# OpenAI's responses


def _responses_ask(agent: str, text: str, stream: bool) -> dict[str, Any]:
    image = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
    return {
        "model": agent,
        "instructions": SYSTEM,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": text}, image]}],
        "tools": [{"type": "function", "name": "look_up", "parameters": SCHEMA, "strict": False}],
        "stream": stream,
    }


def _responses_after(asked: dict[str, Any], answer: Any) -> dict[str, Any]:
    calls = [item for item in answer["output"] if item["type"] == "function_call"]
    results = [{"type": "function_call_output", "call_id": call["call_id"], "output": FOUND} for call in calls]
    return {**asked, "input": [*asked["input"], *answer["output"], *results]}


def _responses_whole(answer: Any) -> Said:
    calls = [
        (item["call_id"], item["name"], json.loads(item["arguments"]))
        for item in answer["output"]
        if item["type"] == "function_call"
    ]
    texts = [part["text"] for item in answer["output"] if item["type"] == "message" for part in item["content"]]
    usage = (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"])
    return Said("".join(texts), calls, answer["status"], usage)


def _responses_streamed(events: Sequence[Any]) -> Said:
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    first, last = events[0], events[-1]
    assert (first["type"], last["type"]) == ("response.created", "response.completed")
    said = _responses_whole(last["response"])
    pieces = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(pieces) == said.text
    return said


def _responses_heard(body: Any) -> Heard:
    user = next(item for item in body["input"] if item.get("role") == "user")
    [image] = only(user["content"], "image_url")
    results = [
        (each["call_id"], each["output"]) for each in body["input"] if each.get("type") == "function_call_output"
    ]
    tools = [tool["name"] for tool in body["tools"]]
    return Heard(body["instructions"], "".join(only(user["content"], "text")), image_of(image), tools, results)


# Anthropic's messages


def _messages_ask(agent: str, text: str, stream: bool) -> dict[str, Any]:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "text", "text": text}, {"type": "image", "source": source}]
    return {
        "model": agent,
        "max_tokens": 100,
        "system": SYSTEM,
        "messages": [{"role": "user", "content": content}],
        "tools": [{"name": "look_up", "input_schema": SCHEMA}],
        "stream": stream,
    }


def _messages_after(asked: dict[str, Any], answer: Any) -> dict[str, Any]:
    calls = [block for block in answer["content"] if block["type"] == "tool_use"]
    results = [{"type": "tool_result", "tool_use_id": call["id"], "content": FOUND} for call in calls]
    turns = [{"role": "assistant", "content": answer["content"]}, {"role": "user", "content": results}]
    return {**asked, "messages": [*asked["messages"], *turns]}


def _messages_whole(answer: Any) -> Said:
    calls = [(each["id"], each["name"], each["input"]) for each in answer["content"] if each["type"] == "tool_use"]
    usage = (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"])
    return Said("".join(only(answer["content"], "text")), calls, answer["stop_reason"], usage)


def _messages_streamed(events: Sequence[Any]) -> Said:
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    begun = [event for event in events if event["type"] == "content_block_start"]
    deltas = [(event["index"], event["delta"]) for event in events if event["type"] == "content_block_delta"]
    calls = [
        (block["id"], block["name"], json.loads("".join(only([d for at, d in deltas if at == index], "partial_json"))))
        for index, block in ((event["index"], event["content_block"]) for event in begun)
        if block["type"] == "tool_use"
    ]
    text = "".join(only([delta for _, delta in deltas], "text"))
    [end] = [event for event in events if event["type"] == "message_delta"]
    usage = {**events[0]["message"]["usage"], **end["usage"]}
    return Said(text, calls, end["delta"]["stop_reason"], (usage["input_tokens"], usage["output_tokens"]))


def _messages_heard(body: Any) -> Heard:
    system = body["system"] if isinstance(body["system"], str) else "".join(only(body["system"], "text"))
    [source] = only(body["messages"][0]["content"], "source")
    blocks = [block for message in body["messages"] for block in message["content"]]
    results = [(each["tool_use_id"], _plain(each["content"])) for each in blocks if each["type"] == "tool_result"]
    text = "".join(only(body["messages"][0]["content"], "text"))
    return Heard(system, text, (source["media_type"], source["data"]), only(body["tools"], "name"), results)


def _plain(content: Any) -> str:
    return content if isinstance(content, str) else "".join(only(content, "text"))


# Gemini's generateContent


def _gemini_ask(agent: str, text: str, stream: bool) -> dict[str, Any]:
    image = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    return {
        "systemInstruction": {"parts": [{"text": SYSTEM}]},
        "contents": [{"role": "user", "parts": [{"text": text}, image]}],
        "tools": [{"functionDeclarations": [{"name": "look_up", "parametersJsonSchema": SCHEMA}]}],
    }


def _gemini_after(asked: dict[str, Any], answer: Any) -> dict[str, Any]:
    content = answer["candidates"][0]["content"]
    results = [
        {"functionResponse": {"id": call.get("id"), "name": call["name"], "response": {"output": FOUND}}}
        for call in only(content["parts"], "functionCall")
    ]
    return {**asked, "contents": [*asked["contents"], content, {"role": "user", "parts": results}]}


def _gemini_whole(answer: Any) -> Said:
    [candidate] = answer["candidates"]
    parts, usage = candidate["content"]["parts"], answer["usageMetadata"]
    calls = [(call.get("id", ""), call["name"], call["args"]) for call in only(parts, "functionCall")]
    tokens = (usage["promptTokenCount"], usage["candidatesTokenCount"])
    return Said("".join(only(parts, "text")), calls, candidate["finishReason"], tokens)


def _gemini_streamed(events: Sequence[Any]) -> Said:
    parts = [part for event in events for part in event["candidates"][0]["content"]["parts"]]
    last = {**events[-1]["candidates"][0], "content": {"parts": parts, "role": "model"}}
    return _gemini_whole({**events[-1], "candidates": [last]})


def _gemini_heard(body: Any) -> Heard:
    first = body["contents"][0]["parts"]
    [image] = only(first, "inlineData")
    [declared] = only(body["tools"], "functionDeclarations")
    parts = [part for content in body["contents"] for part in content["parts"]]
    results = [(each.get("id", ""), each["response"]["output"]) for each in only(parts, "functionResponse")]
    system = "".join(only(body["systemInstruction"]["parts"], "text"))
    text = "".join(only(first, "text"))
    return Heard(system, text, (image["mimeType"], image["data"]), only(declared, "name"), results)


def _gemini_path(agent: str, stream: bool) -> str:
    return f"/v1beta/models/{agent}:" + ("streamGenerateContent?alt=sse" if stream else "generateContent")


# Gemini's Interactions API


def _interactions_ask(agent: str, text: str, stream: bool) -> dict[str, Any]:
    image = {"type": "image", "mime_type": "image/png", "data": PIXEL}
    return {
        "model": agent,
        "system_instruction": SYSTEM,
        "input": [{"type": "user_input", "content": [{"type": "text", "text": text}, image]}],
        "tools": [{"type": "function", "name": "look_up", "parameters": SCHEMA}],
        "stream": stream,
    }


def _interactions_after(asked: dict[str, Any], answer: Any) -> dict[str, Any]:
    results = [
        {"type": "function_result", "call_id": call["id"], "name": call["name"], "result": FOUND}
        for call in answer["steps"]
        if call["type"] == "function_call"
    ]
    return {**asked, "input": [*asked["input"], *answer["steps"], *results]}


def _interactions_whole(answer: Any) -> Said:
    calls = [
        (step["id"], step["name"], step["arguments"]) for step in answer["steps"] if step["type"] == "function_call"
    ]
    blocks = [block for step in answer["steps"] if step["type"] == "model_output" for block in step["content"]]
    usage = (answer["usage"]["total_input_tokens"], answer["usage"]["total_output_tokens"])
    return Said("".join(only(blocks, "text")), calls, answer["status"], usage)


def _interactions_streamed(events: Sequence[Any]) -> Said:
    *events, last, done = events
    assert (events[0]["event_type"], last["event_type"]) == ("interaction.created", "interaction.completed")
    assert done == "[DONE]"
    steps: dict[int, Any] = {}
    for event in events:
        if event["event_type"] == "step.start":
            steps[event["index"]] = {**event["step"], "pieces": []}
        elif event["event_type"] == "step.delta":
            steps[event["index"]]["pieces"].append(event["delta"])
    stopped = [event["index"] for event in events if event["event_type"] == "step.stop"]
    assert sorted(stopped) == list(range(len(steps)))
    for step in steps.values():
        if step["type"] == "function_call":
            step["arguments"] = json.loads("".join(only(step["pieces"], "arguments")))
        elif step["type"] == "model_output":
            step["content"] = step["pieces"]
    return _interactions_whole({**last["interaction"], "steps": list(steps.values())})


def _interactions_heard(body: Any) -> Heard:
    blocks = body["input"][0]["content"]
    [image] = [block for block in blocks if block["type"] == "image"]
    results = [(step["call_id"], step["result"]) for step in body["input"] if step["type"] == "function_result"]
    tools = only(body["tools"], "name")
    text = "".join(only(blocks, "text"))
    return Heard(body["system_instruction"], text, (image["mime_type"], image["data"]), tools, results)


DIALECTS: Mapping[FormatName, Dialect] = {
    "openai": Dialect(
        path=lambda agent, stream: "/v1/chat/completions",
        ask=_chat_ask,
        after=_chat_after,
        whole=_chat_whole,
        streamed=_chat_streamed,
        told=lambda body: f"{body['error']['type']} {body['error']['code']}",
        heard=_chat_heard,
    ),
    "openai-responses": Dialect(
        path=lambda agent, stream: "/v1/responses",
        ask=_responses_ask,
        after=_responses_after,
        whole=_responses_whole,
        streamed=_responses_streamed,
        told=lambda body: f"{body['error']['type']} {body['error']['code']}",
        heard=_responses_heard,
    ),
    "anthropic": Dialect(
        path=lambda agent, stream: "/v1/messages",
        ask=_messages_ask,
        after=_messages_after,
        whole=_messages_whole,
        streamed=_messages_streamed,
        told=lambda body: f"{body['type']} {body['error']['type']}",
        heard=_messages_heard,
    ),
    "gemini": Dialect(
        path=_gemini_path,
        ask=_gemini_ask,
        after=_gemini_after,
        whole=_gemini_whole,
        streamed=_gemini_streamed,
        told=lambda body: f"{body['error']['code']} {body['error']['status']}",
        heard=_gemini_heard,
    ),
    "gemini-interactions": Dialect(
        path=lambda agent, stream: "/v1beta/interactions",
        ask=_interactions_ask,
        after=_interactions_after,
        whole=_interactions_whole,
        streamed=_interactions_streamed,
        told=lambda body: str(body["error"]["code"]),
        heard=_interactions_heard,
    ),
}


def spoken_between(client: FormatName, provider: FormatName) -> Dialect:
    """The dialect in which that client's call reaches that provider."""
    beside = (client, provider) == ("gemini-interactions", "gemini")  # the same account speaks both
    return DIALECTS[client if beside else provider]
