"""Read a provider's whole chat completion."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.errors import ProviderError
from gateway.formats import dataurl
from gateway.formats.answer import Reply, Stop
from gateway.formats.gemini import NAME as GEMINI
from gateway.formats.openai_chat._logprobs import read_logprobs
from gateway.formats.openai_chat._reasoning import call_signature, read_reasoning
from gateway.formats.openai_chat.errors import check_choice, error_inside
from gateway.formats.openai_usage import usage_in
from gateway.formats.prompt import Media, Part, Refusal, Text, ToolCall
from gateway.formats.provider_json import are_json, parse_object, text_of
from gateway.formats.whole import Whole
from gateway.json_body import NotJson, encode
from gateway.tool_use import MOST_TOOLS, NO_END, AnswerOutput, end_of, requested


def read_answer(body: bytes) -> dict[str, Any]:
    """A whole chat completion as a value. Raises ProviderError when the body is none, whatever its status was."""
    answer = parse_object(body)
    if answer.get("error"):
        raise error_inside(answer, body)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        raise ProviderError("malformed", "the provider's answer has no choices")
    for choice in choices:
        if isinstance(choice, dict):
            check_choice(choice)
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise ProviderError("malformed", "a choice of the provider's answer has no message")
    return answer


def inspected(answer: dict[str, Any], body: bytes, asks_json: bool = False) -> Whole:
    """Return a whole answer with what is known of it; the client gets it as it came."""
    choices = answer["choices"]
    choice = choices[0]
    reason, message = choice.get("finish_reason"), choice["message"]
    refused = reason in FILTERED or bool(message.get("refusal"))
    end = _ENDS.get(reason, NO_END) if type(reason) is str else NO_END
    whole = Whole(body, usage_in(answer), True, refused, end, text_of(answer, "id"), text_of(answer, "model"))
    for each in choices:
        if calls := each["message"].get("tool_calls"):
            _look_into_calls(calls, whole)
    if asks_json or not message.get("content"):
        _look_into_text(message, whole, asks_json)
    return whole


def _look_into_text(message: Mapping[str, Any], whole: Whole, asks_json: bool) -> None:
    """Note whether an answer holds nothing, and its text where JSON was asked for."""
    if asks_json:
        output = whole.end.output or AnswerOutput()
        text = "".join(content_texts(message.get("content")))
        whole.end = whole.end._replace(output=output._replace(text=text), is_notable=True)
    if not (message.get("content") or any(message[name] for name in message.keys() - _SAYS_NOTHING)):
        whole.end = whole.end._replace(is_empty=True, is_notable=True)


def _look_into_calls(calls: object, whole: Whole) -> None:
    """Note the calls that an answer asks for, and whether the arguments of each are JSON."""
    tools, arguments = list(whole.end.tools), []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            whole.arguments_are_json = whole.arguments_are_json and are_json(function.get("arguments"))
            tools.append(requested(call.get("id"), function.get("name")))
            said = function.get("arguments")
            arguments.append(said if isinstance(said, str) else "" if said is None else _NO_TEXT)
    before = whole.end.output.arguments if whole.end.output else ()
    output = AnswerOutput((*before, *arguments)[:MOST_TOOLS])
    whole.end = whole.end._replace(tools=tuple(tools[:MOST_TOOLS]), output=output, is_notable=True)


Members = dict[str, Any]
FILTERED = ("content_filter", "sensitive")  # the reasons why an answer ended that its provider stopped

_STOPS: Mapping[str, Stop] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "model_length": "length",  # Mistral
    "model_context_window_exceeded": "length",  # Z.ai
    "sensitive": "content_filter",  # Z.ai
}
_ENDS = {reason: end_of(reason) for reason in _STOPS}  # of most answers
# Members of a message that are no part of an answer.
_SAYS_NOTHING = frozenset(
    {"role", "content", "name", "annotations", "reasoning", "reasoning_content", "reasoning_details"}
)
_NO_TEXT = "no text"  # in place of arguments that are none, which are no JSON either
_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_ID = 40


def read_reply(body: bytes) -> Reply:
    """The first choice of a provider's answer. Raises ProviderError when there is none, whatever its status was."""
    answer = read_answer(body)
    choice = answer["choices"][0]
    message, reply_id = choice["message"], text_of(answer, "id")
    parts = (*read_reasoning(message), *_read_said(message, choice), *_read_calls(message, reply_id))
    stop = read_stop(choice.get("finish_reason"), parts)
    return Reply(parts, stop, usage_in(answer), reply_id, text_of(answer, "model"))


def read_stop(reason: object, parts: Sequence[Part]) -> Stop:
    """Return why the answer ended. Some providers write `stop` where functions are called or the model declined, and
    others `tool_calls` where none is."""
    stop = _STOPS.get(reason, "stop") if isinstance(reason, str) else "stop"
    if stop in ("stop", "tool_calls"):
        stop = "tool_calls" if any(isinstance(part, ToolCall) for part in parts) else "stop"
    if stop == "stop" and any(isinstance(part, Refusal) for part in parts):
        return "refusal"
    return stop


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
        image_url = image.get("image_url") if isinstance(image, dict) else None
        if isinstance(image_url, dict) and (url := text_of(image_url, "url")):
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
            call_id(call, reply_id, index), name, arguments_of(function), signature, GEMINI if signature else None
        )
