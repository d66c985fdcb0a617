"""Gemini's Interactions API as the stand-in reads and shapes it: steps in, steps out.

Source: ai.google.dev/api/interactions-api, v1beta, revision 2026-05-20.
"""

from collections.abc import Iterator, Mapping, Sequence

from .answers import SEALED, THOUGHT, Said, StandinError, StandinToolCall, StreamParts, encode, parsed
from .asks import (
    Ask,
    AskedTool,
    Choice,
    fields_of,
    items,
    part,
    plain_ask,
    refuse,
    stream_of,
    text_in,
    wanted,
)
from .gemini import GOOGLE
from .responses import is_background
from .shapes import Family, Shape
from .wire import StandinRequest

Event = tuple[str, dict[str, object]]

# The code of an error by HTTP status; every other below 500 is `invalid_request`.
CODES = {
    401: "authentication",
    403: "permission_denied",
    404: "not_found",
    409: "aborted",
    429: "rate_limit_exceeded",
    501: "unimplemented",
    503: "service_unavailable",
    504: "deadline_exceeded",
    529: "service_unavailable",
}
RUNS_NO_MODEL = frozenset({"in_progress", "cancelled"})


def _error_object(problem: StandinError) -> dict[str, object]:
    code = CODES.get(problem.status, "api_error" if problem.status >= 500 else "invalid_request")
    return {"error": {"code": code, "message": problem.message}}


FAMILY = Family(door=GOOGLE.door, error=lambda problem: encode(_error_object(problem)), headers=GOOGLE.headers)


def _read(request: StandinRequest) -> Ask:
    fields = fields_of(request.body)
    names = [name for name in (fields.get("model"), fields.get("agent")) if name is not None]
    if len(names) != 1 or not isinstance(model := names[0], str) or not model or not model.isprintable():
        refuse("Exactly one of 'model' and 'agent' is required.")
    given = fields.get("input")
    if not given:
        refuse("The value for 'input' is missing.")
    steps: list[object] = given if isinstance(given, list) else [{"type": "user_input", "content": given}]
    if any(not isinstance(part(step, "type"), str) for step in steps):
        refuse("The legacy Interactions API schema is no longer supported.")
    tools = tuple(_tools(fields.get("tools")))
    choice = _choice(part(fields.get("generation_config"), "tool_choice"))
    may_call = bool(tools) and not choice.forbidden and part(steps[-1], "type") != "function_result"
    return plain_ask(model, fields, request.body, stream=stream_of(fields))._replace(
        tools=tools,
        wanted=wanted(tools, choice, _last_user_text(steps)) if may_call else (),
        may_call=may_call,
        schema=_schema(fields.get("response_format")),
    )


def _tools(listed: object) -> Iterator[AskedTool]:
    """The caller's own; those that Google runs itself are never called."""
    for each in items(listed):
        if part(each, "type") == "function":
            name = part(each, "name")
            if not isinstance(name, str):
                refuse("The value for 'name' is missing at 'tools[0]'.")
            yield AskedTool(name, part(each, "parameters"))


def _choice(said: object) -> Choice:
    allowed = part(said, "allowed_tools")
    mode = part(allowed, "mode") if allowed is not None else said
    names = tuple(name for name in items(part(allowed, "tools")) if isinstance(name, str))
    return Choice(names[:1] if mode == "any" else (), required=mode == "any", forbidden=mode == "none")


def _last_user_text(steps: Sequence[object]) -> str:
    kinds = ("user_input", "text")
    user = next((each for each in reversed(steps) if part(each, "type") in kinds), None)
    content = part(user, "content") if part(user, "type") == "user_input" else [user]
    return text_in([content] if isinstance(content, dict) else content)


def _schema(asked: object) -> object:
    for each in asked if isinstance(asked, list) else [asked]:
        if part(each, "mime_type") == "application/json":
            return part(each, "schema") or {"type": "object"}
    return None


def interaction(ask: Ask, said: Said, status: str = "") -> dict[str, object]:
    """The interaction: with its steps and usage only where it has ended well."""
    ended = "incomplete" if said.is_truncated else "requires_action" if said.calls else "completed"
    whole: dict[str, object] = {
        "id": f"v1_{said.number}",
        "object": "interaction",
        "agent" if "agent" in ask.fields else "model": said.model,
        "status": status or ended,
        "created": "2026-05-12T18:44:51Z",
        "updated": "2026-05-12T18:44:51Z",
    }
    if (before := ask.fields.get("previous_interaction_id")) is not None:
        whole["previous_interaction_id"] = before
    if _is_malformed(said) and not status:
        error = {"code": "malformed_function_call", "message": "Malformed function call."}
        return {**whole, "status": "failed", "steps": [], "errors": [error], "usage": _usage(said)}
    return whole if status in RUNS_NO_MODEL else {**whole, "steps": _steps(ask, said), "usage": _usage(said)}


def _is_malformed(said: Said) -> bool:
    """Return whether arguments are no object: that they would be none is said by the status."""
    return any(parsed(call) is None for call in said.calls)


def _steps(ask: Ask, said: Said) -> list[object]:
    thoughts: list[object] = [_thought(ask)] if said.reasoning_tokens else []
    spoken = {"type": "model_output", "content": [{"type": "text", "text": "".join(said.text)}]}
    calls: list[object] = [_function_call(call, parsed(call)) for call in said.calls]
    return [*thoughts, *(calls or [spoken])]


def _thought(ask: Ask) -> dict[str, object]:
    shown = part(ask.fields.get("generation_config"), "thinking_summaries") == "auto"
    summary = {"summary": [{"type": "text", "text": THOUGHT}]} if shown else {}
    return {"type": "thought", "signature": SEALED, **summary}


def _function_call(call: StandinToolCall, arguments: object) -> dict[str, object]:
    return {"type": "function_call", "id": f"call-{call.number}", "name": call.name, "arguments": arguments}


def _usage(said: Said) -> dict[str, object]:
    return {
        "total_tokens": said.prompt_tokens + said.bill.completion,
        "total_input_tokens": said.prompt_tokens,
        "input_tokens_by_modality": [{"modality": "text", "tokens": said.prompt_tokens}],
        "total_cached_tokens": said.cached_tokens,
        "total_output_tokens": said.output_tokens,
        "total_tool_use_tokens": 0,
        "total_thought_tokens": said.reasoning_tokens,
    }


def _stream(ask: Ask, said: Said) -> StreamParts:
    """A thought if there is one, a step for the text or for each call, and a last event with the usage."""
    opening, at = _begin(ask, said), 0
    if said.reasoning_tokens:
        opening += _thought_events(ask)
        at = 1
    if _is_malformed(said):
        return StreamParts(opening, (), _end(ask, said))
    if said.calls:
        content = tuple(
            _events(group) for index, call in enumerate(said.calls, at) for group in _call_events(index, call)
        )
        return StreamParts(opening, content, _end(ask, said))
    opening += _event("step.start", {"index": at, "step": {"type": "model_output"}})
    pieces = ({"index": at, "delta": {"type": "text", "text": piece}} for piece in said.text)
    content = tuple(_event("step.delta", piece) for piece in pieces)
    return StreamParts(opening, content, _event("step.stop", {"index": at}) + _end(ask, said))


def _begin(ask: Ask, said: Said) -> bytes:
    begun = interaction(ask, said, "in_progress")
    update = {"interaction_id": begun["id"], "status": "in_progress"}
    return _event("interaction.created", {"interaction": begun}) + _event("interaction.status_update", update)


def _thought_events(ask: Ask) -> bytes:
    thought = _thought(ask)
    deltas: list[object] = [{"type": "thought_signature", "signature": SEALED}]
    if "summary" in thought:
        deltas.insert(0, {"type": "thought_summary", "content": {"type": "text", "text": THOUGHT}})
    said = b"".join(_event("step.delta", {"index": 0, "delta": delta}) for delta in deltas)
    return _event("step.start", {"index": 0, "step": {"type": "thought"}}) + said + _event("step.stop", {"index": 0})


def _call_events(index: int, call: StandinToolCall) -> Iterator[list[Event]]:
    """The step's beginning, then its pieces, the last with the step's end."""
    yield [("step.start", {"index": index, "step": _function_call(call, {})})]
    *most, last = [
        ("step.delta", {"index": index, "delta": {"type": "arguments_delta", "arguments": piece}})
        for piece in call.arguments
    ]
    yield from ([each] for each in most)
    yield [last, ("step.stop", {"index": index})]


def _end(ask: Ask, said: Said) -> bytes:
    whole = {name: value for name, value in interaction(ask, said).items() if name != "steps"}
    return _event("interaction.completed", {"interaction": whole}) + b"event: done\ndata: [DONE]\n\n"


def _events(events: Sequence[Event]) -> bytes:
    return b"".join(_event(name, members) for name, members in events)


def _event(name: str, members: Mapping[str, object]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), encode({**members, "event_type": name}))


def _failed(ask: Ask, said: Said, problem: StandinError) -> bytes:
    """A failure with HTTP 200: the interaction says so."""
    whole = interaction(ask, said, "failed")
    return encode({**whole, "steps": [], "errors": [_error_object(problem)["error"]]})


INTERACTIONS = Shape(
    family=FAMILY,
    read=_read,
    whole=lambda ask, said: encode(interaction(ask, said, "in_progress" if is_background(ask) else "")),
    empty=lambda ask, said: encode({**interaction(ask, said, "completed"), "steps": []}),
    failed=_failed,
    stream=_stream,
    empty_stream=lambda ask, said: _begin(ask, said) + _end(ask, said),
    error_event=lambda ask, said, problem, sent: _event("error", _error_object(problem)),
    bad_event=b'event: step.delta\ndata: {"index":0,"delta":{"te\n\n',
    not_json=b'{"id": "v1_',
)
