"""Results of tools in requests: which calls they answer, and whether the tool failed, in every format of clients."""

from typing import Any

import pytest

from gateway.formats.returned_tools import count_returned, returned_tools
from gateway.tool_use import MOST_TOOLS, ReturnedTool

ASKED = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}, {"id": "b"}]}
BOTH = (ReturnedTool("a"), ReturnedTool("b", is_error=True))


def tool(id_: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def output(id_: str, said: Any, **more: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": id_, "output": said, **more}


def result(id_: str, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": "Error: no flag", **more}


def response(said: Any, **more: Any) -> dict[str, Any]:
    return {"functionResponse": {"name": "find", "response": said, **more}}


def step(id_: str, **more: Any) -> dict[str, Any]:
    return {"type": "function_result", "call_id": id_, "name": "find", "result": "x", **more}


CALL = {"type": "function_call", "call_id": "a", "name": "find", "arguments": "{}"}
# name: (request, what it brings)
BROUGHT: dict[str, tuple[dict[str, Any], tuple[ReturnedTool, ...]]] = {
    "chat": ({"messages": [tool("old", ""), ASKED, tool("a", "4"), tool("b", "Error: no such order")]}, BOTH),
    "chat, in parts": ({"messages": [ASKED, tool("b", [{"type": "text", "text": '{"error": 1}'}])]}, BOTH[1:]),
    "chat, with words behind": ({"messages": [ASKED, tool("a", "4"), {"role": "user", "content": [7]}]}, BOTH[:1]),
    "responses": ({"input": [{"type": "reasoning"}, CALL, CALL, output("a", "4"), output("b", "Error: x")]}, BOTH),
    "responses, call by call": ({"input": [CALL, output("a", "4"), CALL, output("b", "error")]}, BOTH),
    "responses, continued": ({"previous_response_id": "r", "input": [output("a", [{"type": "input_text"}])]}, BOTH[:1]),
    "messages": (
        {"messages": [ASKED, {"role": "user", "content": [result("a"), result("b", is_error=True)]}]}, BOTH,
    ),
    "gemini": (
        {"contents": [{"role": "model"}, {"parts": [response({"output": 1}), response({"error": 1}, id="b")]}]},
        (ReturnedTool("", "find"), ReturnedTool("b", "find", is_error=True)),
    ),
    "interactions": (
        {"input": [{"type": "model_output"}, step("a"), step("b", is_error=True)]},
        (ReturnedTool("a", "find"), ReturnedTool("b", "find", is_error=True)),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "brought"), BROUGHT.values(), ids=BROUGHT)
def test_results_behind_the_last_answer(request_: dict[str, Any], brought: tuple[ReturnedTool, ...]) -> None:
    """Results of earlier turns were brought by earlier calls."""
    assert returned_tools(request_) == brought


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"messages": []},
        {"messages": [{"role": "user", "content": "hi"}]},
        {"messages": "hi"},
        {"messages": {"role": "tool"}},
        {"messages": [7, None, [{}]]},
        {"input": "hi"},
        {"input": ["a", "b"]},
        {"contents": [{"parts": "x"}, {"parts": [7, {"functionResponse": 7}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
    ],
)
def test_requests_without_results(request_: dict[str, Any]) -> None:
    """Whatever stands where a conversation is expected."""
    assert returned_tools(request_) == ()


def test_results_are_bounded() -> None:
    """A client that sends thousands of results with giant ids takes bounded memory; the latest are kept."""
    found = returned_tools({"messages": [ASKED, *(tool(f"{number}:" + "x" * 1000, "") for number in range(3000))]})
    assert len(found) == MOST_TOOLS and found[-1].id.startswith("2999:") and len(found[-1].id) == 128


@pytest.mark.parametrize(
    ("said", "is_error"),
    [
        ("Traceback (most recent call last):\n  File", True),
        ("Traceback of the parcel: it left on Monday", False),
        ('{"error": "no such order"}', True),
        ('{"error": {"code": 4}}', True),
        ('{"error": null, "parcel": 4}', False),
        ('{ "error" : "" }', False),
        ('{"error":false}', False),
        ('{"error": nullable}', True),
    ],
)
def test_texts_that_read_as_errors(said: str, is_error: bool) -> None:
    """A stack trace is one, a sentence that begins with the word is none, nor is JSON that says there was none."""
    assert returned_tools({"messages": [ASKED, tool("a", said)]}) == (ReturnedTool("a", is_error=is_error),)


def test_how_many_there_were() -> None:
    """The latest are kept, and all of them are counted."""
    chat = {"messages": [ASKED, *(tool(str(number), "4") for number in range(100))]}
    blocks = {"messages": [ASKED, {"role": "user", "content": [result(str(number)) for number in range(100)]}]}
    for request in (chat, blocks):
        assert len(returned_tools(request)) == MOST_TOOLS and count_returned(request) == 100
    assert returned_tools(chat)[-1].id == "99" and count_returned({"input": "hello"}) == 0
