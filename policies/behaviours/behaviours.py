"""Behaviours of an answer, each by a rule of its own that looks at facts alone.

They are counted on live calls under the names by which a test case checks them. A rule says that a behaviour is there
only where that is certain: what it cannot judge is none. No rule reads what an answer means.
"""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from policies.behaviours.schemas import violates

Behaviour = Literal[
    "bad_tools", "off_schema", "refusals", "truncated", "empty", "tool_loops", "tool_errors", "handovers"
]  # fmt: skip
BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
OF_CONVERSATIONS: frozenset[str] = frozenset({"tool_loops"})  # a conversation shows them once
OF_REQUESTS: frozenset[str] = frozenset({"tool_errors"})  # shown by the request, before it is answered

LONGEST_JSON = 1 << 16  # characters of arguments, or of an answer, that are examined; more is not judged
LOOP = 3  # calls of one tool with the same arguments in one conversation
# Why an answer ended whose limit of tokens was reached: the neutral word, and those of servers that have their own.
TRUNCATED = frozenset({"length", "max_tokens", "model_length", "model_context_window_exceeded"})

_NOTHING = "{}"  # the arguments of a call without any
_BROKEN, _UNREAD = object(), object()  # for text that is no JSON, and for text that is too long to be read


class CalledTool(NamedTuple):
    """A tool call as the model wrote it: the tool's name, and the JSON text of its arguments ('' for none)."""

    name: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class OfferedTools:
    """The tools that a request offers: the schema of each one's arguments by its name, None where nothing is known of
    them. Those of the names in `of_text` take any text. Without `are_all` there are others, whose names nobody knows.
    """

    schemas: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    of_text: Collection[str] = ()
    are_all: bool = True


@dataclass(frozen=True, slots=True)
class WantedJson:
    """The JSON that a request asks for: by `schema`, or any where that is None."""

    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """Facts of a request. `earlier` are the tool calls in its history, `failed_results` the tool results behind the
    last answer that say that the tool failed. `json` is None where any text will do."""

    tools: OfferedTools = field(default_factory=OfferedTools)
    json: WantedJson | None = None
    earlier: Sequence[CalledTool] = ()
    failed_results: int = 0


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """Facts of an answer. `finish` is why it ended, in the provider's word or the neutral one; `text` is None where
    nobody kept it. `is_empty`: it holds neither text nor a tool call. `is_handed_over`: a person is to give it."""

    finish: str = ""
    text: str | None = None
    tools: Sequence[CalledTool] = ()
    is_refusal: bool = False
    is_empty: bool = False
    is_handed_over: bool = False


def behaviours_of(answer: AnswerFacts, request: RequestFacts) -> frozenset[Behaviour]:
    """Return the behaviours that the answer to that request shows."""
    is_refused = answer.is_refusal
    shown: Mapping[Behaviour, bool] = {
        "bad_tools": has_bad_tools(answer.tools, request.tools),
        "off_schema": not (is_refused or answer.tools) and is_off_schema(answer.text, request.json),
        "refusals": is_refused,
        "truncated": is_truncated(answer.finish),
        "empty": answer.is_empty and not is_refused,
        "tool_loops": closes_loop(answer.tools, request.earlier),
        "tool_errors": request.failed_results > 0,
        "handovers": answer.is_handed_over,
    }
    return frozenset(name for name, is_shown in shown.items() if is_shown)


def is_truncated(finish: str) -> bool:
    """Return whether an answer that ended so reached its limit of tokens."""
    return finish in TRUNCATED


def has_bad_tools(calls: Sequence[CalledTool], offered: OfferedTools) -> bool:
    """Return whether one of the calls is of a tool that was not offered, or has arguments that its tool does not take:
    no JSON, or against its schema."""
    return any(_is_bad(call, offered) for call in calls)


def is_off_schema(text: str | None, wanted: WantedJson | None) -> bool:
    """Return whether the text of an answer is not the JSON that was asked for. Without text there is nothing to say."""
    if wanted is None or not text:
        return False
    return _breaks(text, wanted.schema)


def closes_loop(calls: Sequence[CalledTool], earlier: Sequence[CalledTool]) -> bool:
    """Return whether one of these calls is made for the `LOOP`-th time, the earlier ones included.

    Calls are the same where the tool is and where the arguments are the same JSON. A loop that goes on closes once.
    """
    names = {call.name for call in calls}
    before = Counter(canonical(call) for call in earlier if call.name in names)
    now = Counter(map(canonical, calls))
    return any(before[key] < LOOP <= before[key] + count for key, count in now.items())


def _is_bad(call: CalledTool, offered: OfferedTools) -> bool:
    if call.name not in offered.schemas and offered.are_all:
        return True
    return call.name not in offered.of_text and _breaks(call.arguments or _NOTHING, offered.schemas.get(call.name))


def _breaks(text: str, schema: Mapping[str, Any] | None) -> bool:
    """Return whether a text is surely no JSON, or none of that schema."""
    value = _read(text)
    if value is _BROKEN or value is _UNREAD:
        return value is _BROKEN
    return schema is not None and violates(value, schema)


def _read(text: str) -> Any:
    if len(text) > LONGEST_JSON:
        return _UNREAD
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _BROKEN


def canonical(call: CalledTool) -> CalledTool:
    """Return the call with its arguments spelled in one way; as they are where they are no JSON or too long."""
    value = _read(call.arguments or _NOTHING)
    if value is _BROKEN or value is _UNREAD:
        return call
    return CalledTool(call.name, json.dumps(value, sort_keys=True))
