"""A whole chat completion, both ways: as a provider sent it, and as a client gets it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.calls import Usage, usage_from
from gateway.errors import ProviderError
from gateway.formats import dataurl
from gateway.formats.answer import Reply, Stop
from gateway.formats.openai_chat.answer import read_answer
from gateway.formats.openai_chat.content import data_url
from gateway.formats.openai_chat.logprobs import read_logprobs
from gateway.formats.openai_chat.reasoning import call_signature, read_reasoning, signed_call, write_details
from gateway.formats.prompt import Media, Part, Reasoning, Refusal, Text, ToolCall
from gateway.formats.protocol import Envelope
from gateway.json_body import NotJson, encode

Members = dict[str, Any]

_STOPS: Mapping[str, Stop] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
# A turn that is to go on is unfinished, as one that ran into its limit is.
_REASONS: Mapping[Stop, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "pause": "length",
}
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_ID = 40


def read_reply(body: bytes) -> Reply:
    """The first choice of a provider's answer. Raises ProviderError when there is none, whatever its status was."""
    answer = read_answer(body)
    choice = answer["choices"][0]
    message, reply_id = choice["message"], text_of(answer, "id")
    parts = (*read_reasoning(message), *_read_said(message, choice), *_read_calls(message, reply_id))
    stop = read_stop(choice.get("finish_reason"), parts)
    return Reply(parts, stop, usage_from(answer.get("usage")), reply_id, text_of(answer, "model"))


def read_stop(reason: object, parts: Sequence[Part]) -> Stop:
    """Why the answer ended. Some say `stop` where functions are called or where the model declined."""
    stop = _STOPS.get(reason, "stop") if isinstance(reason, str) else "stop"
    if stop == "stop" and any(isinstance(part, ToolCall) for part in parts):
        return "tool_calls"
    if stop == "stop" and any(isinstance(part, Refusal) for part in parts):
        return "refusal"
    return stop


def text_of(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    return value if isinstance(value, str) else ""


def arguments_of(function: Mapping[str, Any]) -> str:
    """A call's arguments; some servers send the object in place of its text."""
    value = function.get("arguments")
    if not isinstance(value, dict):
        return value if isinstance(value, str) else ""
    try:
        return encode(value)
    except NotJson:
        raise ProviderError("malformed", "the arguments of a function call are nested too deeply") from None


def call_id(call: Mapping[str, Any], reply_id: str, index: int) -> str:
    """The id of a call; one made of the answer's where the provider gives none."""
    return text_of(call, "id") or f"call_{_NOT_IN_AN_ID.sub('', reply_id)[:_LONGEST_ID]}_{index}"


def nameless() -> ProviderError:
    return ProviderError("malformed", "a function call of the provider's answer has no name")


def content_texts(content: object) -> list[str]:
    """The texts of a content: one, or those of its parts (Mistral)."""
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else ()
    return [text_of(part, "text") for part in parts if isinstance(part, dict) and part.get("type") == "text"]


def write_reply(reply: Reply, envelope: Envelope) -> bytes:
    """The chat completion that says this."""
    choice = {
        "index": 0,
        "message": _write_message(reply.parts, envelope),
        "logprobs": _write_logprobs(reply.parts),
        "finish_reason": write_stop(reply.stop, any(isinstance(part, Refusal) for part in reply.parts)),
    }
    usage = {} if reply.usage is None else {"usage": write_usage(reply.usage)}
    return encode({**base(envelope, "chat.completion"), "choices": [choice], **usage}).encode()


def base(envelope: Envelope, kind: str) -> Members:
    """What an answer and every chunk of a stream begin with."""
    return {"id": f"chatcmpl-{envelope.call_id}", "object": kind, "created": envelope.created, "model": envelope.model}


def write_stop(stop: Stop, said_why: bool) -> str:
    """`finish_reason`. A refusal in words is an answer that came to its end."""
    return "stop" if stop == "refusal" and said_why else _REASONS[stop]


def write_usage(usage: Usage) -> Members:
    written = {"cache_write_tokens": usage.cache_written} if usage.cache_written else {}
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, **written},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def _read_said(message: Members, choice: Members) -> Iterator[Part]:
    logprobs = choice.get("logprobs")
    tokens = read_logprobs(logprobs.get("content")) if isinstance(logprobs, dict) else None
    texts = [text for text in content_texts(message.get("content")) if text]
    for index, text in enumerate(texts):
        yield Text(text, logprobs=tokens if index == 0 else None)
    if refusal := text_of(message, "refusal"):
        yield Refusal(refusal)
    images = message.get("images")  # OpenRouter's place for what a model has drawn
    for image in images if isinstance(images, list) else ():
        link = image.get("image_url") if isinstance(image, dict) else None
        if isinstance(link, dict) and (url := text_of(link, "url")):
            yield _image(url)


def _image(url: str) -> Media:
    parts = dataurl.split(url)
    return Media("image", *parts) if parts else Media("image", url=url)


def _read_calls(message: Members, reply_id: str) -> Iterator[ToolCall]:
    calls = message.get("tool_calls")
    for index, call in enumerate(calls if isinstance(calls, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not (name := text_of(function, "name")):
            raise nameless()
        signature = call_signature(call)
        yield ToolCall(
            call_id(call, reply_id, index), name, arguments_of(function), signature, "gemini" if signature else None
        )


def _write_message(parts: Sequence[Part], envelope: Envelope) -> Members:
    texts = [part.text for part in parts if isinstance(part, Text)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    written: Members = {
        "role": "assistant",
        "content": "".join(texts) if texts or not (refusals or calls) else None,
        "refusal": "".join(refusals) if refusals else None,
        **_write_thoughts([part for part in parts if isinstance(part, Reasoning)]),
        **_write_media([part for part in parts if isinstance(part, Media)], envelope),
    }
    if calls:
        written["tool_calls"] = [_write_call(call) for call in calls]
    return written


def _write_thoughts(thoughts: Sequence[Reasoning]) -> Members:
    written: Members = {}
    if text := "".join(each.text for each in thoughts):
        written["reasoning_content"] = text
    if any(each.signature or each.encrypted for each in thoughts):
        written["reasoning_details"] = write_details(thoughts)
    return written


def _write_media(media: Sequence[Media], envelope: Envelope) -> Members:
    """Images where OpenRouter puts them, a recording where OpenAI does."""
    written: Members = {}
    if images := [each.url or data_url(each) for each in media if each.kind == "image"]:
        written["images"] = [{"type": "image_url", "image_url": {"url": url}} for url in images]
    for sound in (each for each in media if each.kind == "audio" and each.data):
        name = f"audio_{envelope.call_id}"
        written["audio"] = {"id": name, "data": sound.data, "expires_at": envelope.created, "transcript": ""}
    return written


def _write_call(call: ToolCall) -> Members:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": call.id, "type": "function", "function": function, **signed_call(call)}


def _write_logprobs(parts: Sequence[Part]) -> Members | None:
    tokens = [token for part in parts if isinstance(part, Text) for token in part.logprobs or ()]
    return {"content": tokens, "refusal": None} if tokens else None
