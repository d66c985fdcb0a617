"""Tools between two calls, as far as they are remembered."""

import pytest

from gateway.telemetry.tool_spans import AskedTools, PendingTool, ToolSpan, tool_span
from gateway.telemetry.trace_context import TraceContext
from gateway.tool_use import RequestedTool, ReturnedTool

LONG = "call_0123456789abcdef"
PENDING = PendingTool("", TraceContext("1" * 32, "", True), bytes(8), "id", 10.0)


def asked(*tools: RequestedTool, most: int = 10) -> AskedTools:
    made = AskedTools(most)
    list(made.ask("key", "conversation", tools, PENDING))
    return made


def answered(tools: AskedTools, caller: str, conversation: str, *returned: ReturnedTool) -> list[ToolSpan]:
    """The tools of these results that are known, whose results come two seconds later."""
    found = tools.answer(caller, conversation, returned)
    return [ToolSpan(asked, tool, 12.0) for _, tool, asked in found if asked is not None]


def test_parallel_tools() -> None:
    """Each is a span of its own, and comes once, however often its result is sent again."""
    tools = asked(RequestedTool(LONG, "a"), RequestedTool(LONG + "x", "b"))
    returned = (ReturnedTool(LONG), ReturnedTool(LONG + "x", is_error=True))
    spans = [tool_span(each, 100.0) for each in answered(tools, "key", "conversation", *returned)]
    assert [(span.name, span.began_at, span.ended_at) for span in spans] == [
        ("execute_tool a", 110.0, 112.0),
        ("execute_tool b", 110.0, 112.0),
    ]
    assert [span.attributes.get("error.type") for span in spans] == [None, "tool_error"]
    assert len({span.span_id for span in spans}) == 2
    assert answered(tools, "key", "conversation", *returned) == []


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
    assert len(answered(tools, caller, conversation, ReturnedTool(tool_id))) == found


def test_tool_without_an_id() -> None:
    """Some formats name the function alone."""
    tools = asked(RequestedTool("", "a"))
    (tool,) = answered(tools, "key", "conversation", ReturnedTool("", "a"))
    assert tool_span(tool, 0.0).name == "execute_tool a"


def test_results_that_never_come() -> None:
    """The oldest is forgotten first: clients that ask for millions fill no memory."""
    tools = asked(*(RequestedTool(f"{LONG}{number}", "a") for number in range(1_000)), most=10)
    assert len(answered(tools, "key", "c", *(ReturnedTool(f"{LONG}{n}") for n in range(1_000)))) == 10
