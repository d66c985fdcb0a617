"""The tools of a conversation, as the gateway sees them go out and come back: names, and no arguments or results.

Arguments are there until the answer has been examined, and are kept nowhere.
"""

from typing import Any, NamedTuple

from policies.behaviours.behaviours import TRUNCATED

LONGEST_ID = 128  # characters of a tool call's id, or of a tool's name, that are kept
MOST_TOOLS = 64  # that are kept of one answer, and of one request
FEW_TOKENS = 8  # an answer without any text took no more: beyond that it held what is no text


class RequestedTool(NamedTuple):
    """A tool call that an answer asked for. `id` is '' where the provider gave none."""

    id: str
    name: str


class ReturnedTool(NamedTuple):
    """A tool's result that a request brought. `id` or `name` is '' where the client's format has none."""

    id: str
    name: str = ""
    is_error: bool = False


ReturnedTools = tuple[ReturnedTool, ...]


class AnswerOutput(NamedTuple):
    """Parts of an answer that are examined once it has gone: the arguments of each of its tool calls, in their order,
    and its text where JSON was asked for. Nobody else keeps them."""

    arguments: tuple[str, ...] = ()
    text: str | None = None


class AnswerEnd(NamedTuple):
    """End of an answer: why it ended, in the provider's or the neutral word, and the tool calls that it asked for.

    `answer_id` is its id where the client may continue it by that. Each is empty where it is not known. `is_empty` says
    that it holds nothing, `output` is what is to be examined, None for nothing. `is_notable`: the answer may show a
    behaviour (`end_of`).
    """

    finish: str = ""
    tools: tuple[RequestedTool, ...] = ()
    answer_id: str = ""
    is_empty: bool = False
    output: AnswerOutput | None = None
    is_notable: bool = False


NO_END = AnswerEnd()


def end_of(
    finish: str,
    tools: tuple[RequestedTool, ...] = (),
    answer_id: str = "",
    is_empty: bool = False,
    output: AnswerOutput | None = None,
) -> AnswerEnd:
    """Return the end of an answer."""
    is_notable = is_empty or output is not None or finish in TRUNCATED
    return AnswerEnd(finish, tools, answer_id, is_empty, output, is_notable)


def without_output(end: AnswerEnd) -> AnswerEnd:
    """Return the end of an answer without what was to be examined."""
    return end if end.output is None else end._replace(output=None)


def requested(id_: Any, name: Any) -> RequestedTool:
    """Return the tool call of that id and name, cut to what is kept."""
    return RequestedTool(short(id_), short(name))


def short(value: Any) -> str:
    """Return a text cut to what is kept of an id, as something that can be written; '' for what is no text."""
    return writable(value[:LONGEST_ID]) if isinstance(value, str) else ""


def writable(text: str) -> str:
    """Return a text without lone surrogates, which a client's JSON may hold and UTF-8 does not."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
