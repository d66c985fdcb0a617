"""The tools of a conversation, as the gateway sees them go out and come back: names, and no arguments or results."""

from typing import Any, NamedTuple

LONGEST_ID = 128  # characters of a tool call's id, or of a tool's name, that are kept
MOST_TOOLS = 64  # that are kept of one answer, and of one request


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


class AnswerEnd(NamedTuple):
    """End of an answer: why it ended, in the provider's or the neutral word, and the tool calls that it asked for.

    `answer_id` is its id where the client may continue it by that. Each is empty where it is not known.
    """

    finish: str = ""
    tools: tuple[RequestedTool, ...] = ()
    answer_id: str = ""


NO_END = AnswerEnd()


def requested(id_: Any, name: Any) -> RequestedTool:
    """Return the tool call of that id and name, cut to what is kept."""
    return RequestedTool(short(id_), short(name))


def short(value: Any) -> str:
    """Return a text cut to what is kept of an id, as something that can be written; '' for what is no text."""
    return writable(value[:LONGEST_ID]) if isinstance(value, str) else ""


def writable(text: str) -> str:
    """Return a text without lone surrogates, which a client's JSON may hold and UTF-8 does not."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
