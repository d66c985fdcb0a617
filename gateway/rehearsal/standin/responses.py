"""OpenAI's Responses API as the stand-in reads and shapes it: items in, items out, and events that number themselves.

Source: platform.openai.com/docs/api-reference/responses and responses-streaming.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from .answers import SEALED, THOUGHT, Said, StandinError, StandinToolCall, StreamParts, encode
from .asks import (
    Ask,
    AskedTool,
    Choice,
    fields_of,
    items,
    last_user,
    model_of,
    part,
    plain_ask,
    refuse,
    stream_of,
    text_in,
    wanted,
)
from .chat import OPENAI
from .shapes import Shape
from .wire import StandinRequest

Event = tuple[str, dict[str, object]]  # its type, and its members but for type and sequence_number

# what a response says back of its request, with what it says where the request is silent
SAID_BACK: Mapping[str, object] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def _read(request: StandinRequest) -> Ask:
    fields = fields_of(request.body)
    model = model_of(fields)
    given = fields.get("input")
    if not isinstance(given, str | list) or not given:
        refuse("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    listed: list[object] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    tools = tuple(_tools(fields.get("tools")))
    choice = _choice(fields.get("tool_choice"))
    user = part(last_user(listed), "content")
    may_call = bool(tools) and not choice.forbidden and part(listed[-1], "type") != "function_call_output"
    return plain_ask(model, fields, request.body, stream=stream_of(fields))._replace(
        tools=tools,
        wanted=wanted(tools, choice, text_in(user)) if may_call else (),
        may_call=may_call,
        schema=_schema(part(fields.get("text"), "format")),
    )


def _tools(listed: object) -> Iterator[AskedTool]:
    """The caller's own; those that the provider runs itself are never called."""
    for each in items(listed):
        if part(each, "type") == "function":
            name = part(each, "name")
            if not isinstance(name, str):
                refuse("Missing required parameter: 'tools[0].name'.", "tools[0].name", "missing_required_parameter")
            yield AskedTool(name, part(each, "parameters"))


def _choice(said: object) -> Choice:
    name = part(said, "name") if part(said, "type") == "function" else None
    return Choice((name,) if isinstance(name, str) else (), required=said == "required", forbidden=said == "none")


def _schema(wanted: object) -> object:
    if part(wanted, "type") == "json_schema":
        return part(wanted, "schema") or {"type": "object"}
    return {"type": "object"} if part(wanted, "type") == "json_object" else None


def response(ask: Ask, said: Said, status: str = "completed", problem: StandinError | None = None) -> dict[str, object]:
    """The response object: with its output and usage only where it is completed."""
    whole, is_cut = status == "completed", status == "completed" and said.is_truncated
    said_back = {name: ask.fields.get(name, usual) for name, usual in SAID_BACK.items()}
    return {
        "id": f"resp_{said.number}",
        "object": "response",
        "created_at": said.created,
        "completed_at": said.created if whole else None,
        "status": "incomplete" if is_cut else status,
        "error": None if problem is None else {"code": _code(problem), "message": problem.message},
        "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
        "model": said.model,
        "output": output_of(ask, said) if whole else [],
        **said_back,
        "usage": usage_of(said) if whole else None,
    }


def usage_of(said: Said) -> dict[str, object]:
    """Usage as Responses count it: cached tokens are part of the input's, those of thoughts part of the output's."""
    prompt, cached, completion = said.bill
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": said.reasoning_tokens},
        "total_tokens": prompt + completion,
    }


def output_of(ask: Ask, said: Said) -> list[dict[str, object]]:
    """The items of a whole answer: a thought if there was one, then the message or the calls."""
    thought = [_reasoning(ask, said)] if said.reasoning_tokens else []
    calls = [_function_call(call, call.whole, "completed") for call in said.calls]
    return [*thought, *(calls or [_message(said, [_text("".join(said.text))], "completed")])]


def _code(problem: StandinError) -> str:
    return problem.code or ("rate_limit_exceeded" if problem.status == 429 else "server_error")


def _reasoning(ask: Ask, said: Said) -> dict[str, object]:
    item: dict[str, object] = {"id": f"rs_{said.number}", "type": "reasoning", "summary": []}
    if part(ask.fields.get("reasoning"), "summary"):
        item["summary"] = [{"type": "summary_text", "text": THOUGHT}]
    if "reasoning.encrypted_content" in items(ask.fields.get("include")):
        item["encrypted_content"] = SEALED
    return item


def _function_call(call: StandinToolCall, arguments: str, status: str) -> dict[str, object]:
    return {
        "id": f"fc_{call.number}",
        "type": "function_call",
        "status": status,
        "arguments": arguments,
        "call_id": f"call_{call.number}",
        "name": call.name,
    }


def _message(said: Said, content: Sequence[object], status: str) -> dict[str, object]:
    return {"id": f"msg_{said.number}", "type": "message", "status": status, "role": "assistant", "content": content}


def _text(text: str) -> dict[str, object]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def is_background(ask: Ask) -> bool:
    """Return whether a response is to be made in the background."""
    return ask.fields.get("background") is True and not ask.stream


def _whole(ask: Ask, said: Said) -> bytes:
    return encode(response(ask, said, "queued" if is_background(ask) else "completed"))


def _stream(ask: Ask, said: Said) -> StreamParts:
    """created, in_progress, each item from its beginning to its end, completed."""
    opening = [*_begin(ask, said), *_thought_events(ask, said)]
    at = 1 if said.reasoning_tokens else 0
    if said.calls:
        groups = [group for number, call in enumerate(said.calls, at) for group in _call_events(number, call)]
        return _sent(opening, groups, [_completed(ask, said)])
    place: dict[str, object] = {"item_id": f"msg_{said.number}", "output_index": at, "content_index": 0}
    opening += _message_opens(said, place)
    pieces = [[_delta(place, piece)] for piece in said.text]
    return _sent(opening, pieces, [*_message_closes(said, place), _completed(ask, said)])


def _begin(ask: Ask, said: Said) -> list[Event]:
    begun = response(ask, said, "in_progress")
    return [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]


def _completed(ask: Ask, said: Said) -> Event:
    return "response.incomplete" if said.is_truncated else "response.completed", {"response": response(ask, said)}


def _thought_events(ask: Ask, said: Said) -> Iterator[Event]:
    if not said.reasoning_tokens:
        return
    item = _reasoning(ask, said)
    yield "response.output_item.added", {"output_index": 0, "item": {**item, "summary": []}}
    if item["summary"]:
        place = {"item_id": item["id"], "output_index": 0, "summary_index": 0}
        empty, whole = ({"type": "summary_text", "text": text} for text in ("", THOUGHT))
        yield "response.reasoning_summary_part.added", {**place, "part": empty}
        yield "response.reasoning_summary_text.delta", {**place, "delta": THOUGHT}
        yield "response.reasoning_summary_text.done", {**place, "text": THOUGHT}
        yield "response.reasoning_summary_part.done", {**place, "part": whole}
    yield "response.output_item.done", {"output_index": 0, "item": item}


def _message_opens(said: Said, place: Mapping[str, object]) -> Iterator[Event]:
    message = _message(said, [], "in_progress")
    yield "response.output_item.added", {"output_index": place["output_index"], "item": message}
    yield "response.content_part.added", {**place, "part": _text("")}


def _delta(place: Mapping[str, object], piece: str) -> Event:
    return "response.output_text.delta", {**place, "delta": piece, "logprobs": []}


def _message_closes(said: Said, place: Mapping[str, object]) -> Iterator[Event]:
    text = "".join(said.text)
    yield "response.output_text.done", {**place, "text": text, "logprobs": []}
    yield "response.content_part.done", {**place, "part": _text(text)}
    message = _message(said, [_text(text)], "completed")
    yield "response.output_item.done", {"output_index": place["output_index"], "item": message}


def _call_events(index: int, call: StandinToolCall) -> Iterator[list[Event]]:
    """The item's beginning, then its pieces, the last with the item's end."""
    place = {"item_id": f"fc_{call.number}", "output_index": index}
    item = _function_call(call, "", "in_progress")
    yield [("response.output_item.added", {"output_index": index, "item": item})]
    *most, last = [("response.function_call_arguments.delta", {**place, "delta": piece}) for piece in call.arguments]
    yield from ([each] for each in most)
    done = {**place, "name": call.name, "arguments": call.whole}
    item = _function_call(call, call.whole, "completed")
    yield [
        last,
        ("response.function_call_arguments.done", done),
        ("response.output_item.done", {"output_index": index, "item": item}),
    ]


def _sent(opening: Sequence[Event], groups: Sequence[Sequence[Event]], closing: Sequence[Event]) -> StreamParts:
    """The events as bytes, numbered through."""
    content, at = [], len(opening)
    for group in groups:
        content.append(_numbered(group, at))
        at += len(group)
    return StreamParts(_numbered(opening, 0), tuple(content), _numbered(closing, at))


def _numbered(events: Iterable[Event], first: int) -> bytes:
    return b"".join(
        _event(name, {**members, "sequence_number": at}) for at, (name, members) in enumerate(events, first)
    )


def _event(name: str, members: Mapping[str, object]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encode({"type": name, **members}))


def _empty(ask: Ask, said: Said) -> bytes:
    return encode({**response(ask, said), "output": []})


def _empty_stream(ask: Ask, said: Said) -> bytes:
    whole = {**response(ask, said), "output": []}
    return _numbered([*_begin(ask, said), ("response.completed", {"response": whole})], 0)


def _error_event(ask: Ask, said: Said, problem: StandinError, sent: int) -> bytes:
    """Before anything else an `error`, which has no response; in the middle of one that response has failed."""
    if sent:
        failed = response(ask, said, "failed", problem)
        return _numbered([("response.failed", {"response": failed})], sent)
    content: dict[str, object] = {"code": _code(problem), "message": problem.message, "param": problem.param}
    return _numbered([("error", content)], 0)


RESPONSES = Shape(
    family=OPENAI,
    read=_read,
    whole=_whole,
    empty=_empty,
    failed=lambda ask, said, problem: encode(response(ask, said, "failed", problem)),
    stream=_stream,
    empty_stream=_empty_stream,
    error_event=_error_event,
    bad_event=b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","del\n\n',
    not_json=b'{"id": "resp_',
)
