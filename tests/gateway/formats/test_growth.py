"""Translation takes work in proportion to a request or a stream, whatever stands in it many times."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from gateway.calls import FormatName
from gateway.formats.answer import End, Event, ReasoningDelta, TextDelta, ToolBegin, ToolDelta
from gateway.formats.prompt import Prompt
from gateway.formats.protocol import Envelope
from gateway.formats.registry import CLIENTS, PROVIDERS

FEW, FACTOR = 100, 4
ENVELOPE = Envelope("c", "m", 1, Prompt(()))
MODELS: dict[FormatName, str] = {"anthropic": "claude-sonnet-4-5"}
USER = {"role": "user", "content": "x"}


def chat_calls(ids: Callable[[int], str]) -> Callable[[int], dict[str, Any]]:
    """All calls of one turn, and then all their results."""

    def body(n: int) -> dict[str, Any]:
        function = {"name": "f", "arguments": "{}"}
        calls = [{"id": ids(i), "type": "function", "function": function} for i in range(n)]
        results = [{"role": "tool", "tool_call_id": ids(i), "content": "x"} for i in range(n)]
        return {"messages": [USER, {"role": "assistant", "tool_calls": calls}, *results]}

    return body


def chat_tools(n: int) -> dict[str, Any]:
    """A quarter as many: some providers take 128 at most."""
    parameters = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(3)}}
    function = {"name": "f" * 80, "parameters": parameters}
    tools = [{"type": "function", "function": {**function, "name": f"{'f' * 80}{i}"}} for i in range(n // 4)]
    return {"messages": [USER], "tools": tools}


def chat_schema(n: int) -> dict[str, Any]:
    names = [f"p{i}" for i in range(n)]
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": names}
    return {"messages": [USER], "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}


def messages_calls(n: int) -> dict[str, Any]:
    calls = [{"type": "tool_use", "id": f"t{i}", "name": "f", "input": {}} for i in range(n)]
    results = [{"type": "tool_result", "tool_use_id": f"t{i}", "content": "x"} for i in range(n)]
    turns = [USER, {"role": "assistant", "content": calls}, {"role": "user", "content": results}]
    return {"max_tokens": 9, "messages": turns}


def responses_calls(n: int) -> dict[str, Any]:
    calls = [{"type": "function_call", "call_id": f"c{i}", "name": "f", "arguments": "{}"} for i in range(n)]
    results = [{"type": "function_call_output", "call_id": f"c{i}", "output": "x"} for i in range(n)]
    return {"input": [USER, *calls, *results]}


def gemini_calls(names: Callable[[int], str]) -> Callable[[int], dict[str, Any]]:
    """Results in the other order than their calls, which nothing but a name ties together."""

    def body(n: int) -> dict[str, Any]:
        calls = [{"functionCall": {"name": names(i), "args": {}}} for i in range(n)]
        results = [{"functionResponse": {"name": names(i), "response": {}}} for i in reversed(range(n))]
        turns = [{"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": calls}]
        return {"contents": [*turns, {"role": "user", "parts": results}]}

    return body


def interactions_steps(n: int) -> dict[str, Any]:
    """Calls and results, one after the other."""
    steps: list[dict[str, Any]] = [{"type": "user_input", "content": "x"}]
    for i in range(n):
        steps.append({"type": "function_call", "id": f"c{i}", "name": "f", "arguments": {}})
        steps.append({"type": "function_result", "call_id": f"c{i}", "result": "y"})
    return {"input": steps}


BODIES: dict[str, tuple[FormatName, Callable[[int], dict[str, Any]]]] = {
    "chat turns": ("openai", lambda n: {"messages": [USER, {"role": "assistant", "content": "y"}] * n}),
    "chat users": ("openai", lambda n: {"messages": [USER] * n}),
    "chat parts": ("openai", lambda n: {"messages": [{**USER, "content": [{"type": "text", "text": "x"}] * n}]}),
    "chat calls": ("openai", chat_calls(lambda i: f"c{i}")),
    "chat calls of one id": ("openai", chat_calls(lambda _: "c")),
    "chat calls of long ids": ("openai", chat_calls(lambda i: f"{'c' * 80}{i}")),
    "chat tools": ("openai", chat_tools),
    "chat schema": ("openai", chat_schema),
    "messages calls": ("anthropic", messages_calls),
    "responses turns": ("openai-responses", lambda n: {"input": [USER] * n}),
    "responses calls": ("openai-responses", responses_calls),
    "gemini calls": ("gemini", gemini_calls(lambda i: f"f{i}")),
    "interactions steps": ("gemini-interactions", interactions_steps),
    "gemini calls of one name": ("gemini", gemini_calls(lambda _: "f")),
}  # fmt: skip
PAIRS = [(name, to) for name, (client, _) in BODIES.items() for to in PROVIDERS if to != client]


def steps(run: Callable[[], object]) -> int:
    """How many lines of Python run, comprehensions and generators included."""
    count = 0

    def trace(*_: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(("name", "provider"), PAIRS)
def test_work_grows_with_the_request_alone(name: str, provider: FormatName) -> None:
    """Four times the request takes four times the work, where a quadratic translation would take sixteen times."""
    client, body = BODIES[name]
    reader, writer, model = CLIENTS[client], PROVIDERS[provider], MODELS.get(provider, "m")

    def translated(count: int) -> int:
        return steps(lambda: writer.write(reader.prompt(body(count)), model))

    assert translated(FACTOR * FEW) < 1.2 * FACTOR * translated(FEW)


def pieces(n: int) -> list[Event]:
    return [ToolDelta(0, "{"), TextDelta("x"), ReasoningDelta("y")] * n


CALLS: dict[str, Callable[[int], list[Event]]] = {
    "calls without arguments": lambda n: [ToolBegin(i, f"c{i}", "f") for i in range(n)],
    "calls within an unfinished one": lambda n: [
        ToolBegin(0, "c", "f"), ToolDelta(0, "{"),
        *(each for i in range(1, n) for each in (ToolBegin(i, f"c{i}", "f"), ToolDelta(i, "{}"))),
    ],
    "calls all under way": lambda n: [
        *(ToolBegin(i, f"c{i}", "f") for i in range(n)), *(ToolDelta(i, "{}") for i in range(n)),
    ],
    "texts between pieces": lambda n: [ToolBegin(0, "c", "f"), *pieces(n)],
}  # fmt: skip


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("name", CALLS)
def test_work_grows_with_the_stream_alone(name: str, client: FormatName) -> None:
    """A stream's writer looks at each piece of a call a bounded number of times, however many calls are open."""

    def written(count: int) -> int:
        writer, events = CLIENTS[client].writer(ENVELOPE), [*CALLS[name](count), End("tool_calls")]
        return steps(lambda: [writer.write(each) for each in events])

    assert written(FACTOR * FEW) < 1.2 * FACTOR * written(FEW)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("between", [(TextDelta("x"), ReasoningDelta("x")), (ToolBegin(1, "d", "f"),)])
def test_a_calls_arguments_are_parsed_once_or_twice(client: FormatName, between: tuple[Event, ...]) -> None:
    """What stands between the pieces of a call's arguments does not make a writer read all of them again."""
    writer, parsed = CLIENTS[client].writer(ENVELOPE), 0

    def count(frame: FrameType, event: str, called: Any) -> None:
        nonlocal parsed
        parsed += (called.__name__ if event == "c_call" else frame.f_code.co_name if event == "call" else "") == "loads"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for event in (ToolBegin(0, "c", "f"), *[ToolDelta(0, '{"a":'), *between] * FEW, End("tool_calls")):
            writer.write(event)
    finally:
        sys.setprofile(before)
    assert parsed <= 2
