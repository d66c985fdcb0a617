"""Examples for fine-tuning a chat model: `messages`, of which the assistant's last is the reference answer."""

from typing import Final

from evals.cases import Case, CheckSpec
from evals.suites.conversation import chat_messages, reference
from evals.suites.datasets.rows import RowDialect, finished_case, id_of, marks
from evals.suites.values import place_of, refusal
from gateway.config.nodes import Node

_PREFERENCES = "a preference between two answers is no reference; keep the preferred one as the last message"


def _example(row: Node) -> Case:
    listed = row.entries["messages"]
    items = listed.items
    last = items[-1] if items else listed
    role = last.get("role")
    is_answered = role is not None and role.text == "assistant"
    before = items[:-1] if is_answered else items
    if is_answered and not before:
        raise refusal(listed, "nothing is asked before the assistant's message")
    messages = chat_messages(Node(before, listed.file, listed.line, 1), "`messages`")
    expected = reference(last.get("content")) if is_answered else None
    checks = _called(last) if is_answered else ()
    return finished_case(row, Case(id_of(row, "id"), messages, place_of(row), {}, checks, expected))


def _called(message: Node) -> tuple[CheckSpec, ...]:
    """Return the check that the tools which the reference answer calls were called."""
    names = [call.get("function", "name") for call in (message.get("tool_calls") or message).items]
    if not names:
        return ()
    if any(name is None or not name.text for name in names):
        raise refusal(message, "a tool call needs a `function` with a `name`")
    return (CheckSpec("trajectory:tool-used", place_of(message), value=[name.text for name in names if name]),)


EXAMPLES: Final = RowDialect(
    "fine-tuning",
    marks("messages"),
    frozenset({"messages", "tools", "functions", "parallel_tool_calls", "id", "metadata"}),
    _example,
    "examples for fine-tuning have no checks of their own: answers are judged against the assistant's last message "
    "(`factuality`); their `tools` are not sent, for the version has its own",
    {"preferred_output": _PREFERENCES, "non_preferred_output": _PREFERENCES},
)
