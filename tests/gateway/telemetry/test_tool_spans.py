"""Tools between two calls, as far as they are remembered."""

import pytest

from gateway.telemetry.tool_spans import AskedTools, PendingTool, tool_span
from gateway.telemetry.trace_context import TraceContext
from gateway.tool_use import RequestedTool, ReturnedTool

LONG = "call_0123456789abcdef"
PENDING = PendingTool("", TraceContext("1" * 32, "", True), bytes(8), "id", 10.0)


def asked(*tools: RequestedTool, most: int = 10) -> AskedTools:
    made = AskedTools(most)
    made.ask("key", "conversation", tools, PENDING)
    return made


def test_parallel_tools() -> None:
    """Each is a span of its own, and comes once, however often its result is sent again."""
    tools = asked(RequestedTool(LONG, "a"), RequestedTool(LONG + "x", "b"))
    returned = (ReturnedTool(LONG), ReturnedTool(LONG + "x", is_error=True))
    spans = [tool_span(each, 100.0) for each in tools.answer("key", "conversation", returned, 12.0)]
    assert [(span.name, span.began_at, span.ended_at) for span in spans] == [
        ("execute_tool a", 110.0, 112.0),
        ("execute_tool b", 110.0, 112.0),
    ]
    assert [span.attributes.get("error.type") for span in spans] == [None, "tool_error"]
    assert len({span.span_id for span in spans}) == 2
    assert list(tools.answer("key", "conversation", returned, 13.0)) == []


@pytest.mark.parametrize(
    ("caller", "conversation", "tool_id", "found"),
    [
        ("key", "conversation", "call_1", True),
        ("key", "another", "call_1", False),
        ("key", "another", LONG, True),
        ("other", "conversation", LONG, False),
    ],
)
def test_whose_tool(caller: str, conversation: str, tool_id: str, found: bool) -> None:
    """A long id is nobody else's; a short one tells within its conversation, and none across keys."""
    tools = asked(RequestedTool(tool_id, "a"))
    assert len(list(tools.answer(caller, conversation, (ReturnedTool(tool_id),), 12.0))) == found


def test_tool_without_an_id() -> None:
    """Some formats name the function alone."""
    tools = asked(RequestedTool("", "a"))
    (tool,) = tools.answer("key", "conversation", (ReturnedTool("", "a"),), 12.0)
    assert tool_span(tool, 0.0).name == "execute_tool a"


def test_results_that_never_come() -> None:
    """The oldest is forgotten first: clients that ask for millions fill no memory."""
    tools = asked(*(RequestedTool(f"{LONG}{number}", "a") for number in range(1_000)), most=10)
    assert len(list(tools.answer("key", "c", tuple(ReturnedTool(f"{LONG}{n}") for n in range(1_000)), 12.0))) == 10
