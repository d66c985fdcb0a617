"""Model answers before a wire format shapes them: text in pieces or tool calls, and usage."""

import json
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from .asks import Ask, AskedTool, holds_text
from .behaviour import ModelBehaviour
from .books import Bill
from .drawn_grades import draw_grades
from .judge import grade
from .schemas import smallest

MADE_UP = AskedTool("unknown_tool", {"type": "object"})  # called when a fault needs a tool and none was offered
THOUGHT = "Let me think about it."  # what formats that can show a thought show of reasoning tokens
SEALED = "c2VhbGVkIHRob3VnaHQ="  # base64; stands for what only the provider can read

# the code that goes with a status; other formats than OpenAI's have none
CODES = {
    401: "invalid_api_key",
    403: "unsupported_country_region_territory",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}
MESSAGES = {
    401: "Incorrect API key provided.",
    404: "The model does not exist or you do not have access to it.",
    429: "Rate limit reached. Please try again later.",
    503: "The engine is currently overloaded, please try again later.",
    529: "Overloaded",
}


@dataclass(frozen=True, slots=True)
class StandinToolCall:
    number: str  # makes its id unique
    name: str
    arguments: tuple[str, ...]  # in the pieces that a stream sends

    @property
    def whole(self) -> str:
        return "".join(self.arguments)


class Said(NamedTuple):
    """A model's answer without a wire format: text in pieces, or tool calls."""

    number: str  # makes its ids unique
    created: int  # seconds since 1970
    model: str
    text: tuple[str, ...]
    calls: tuple[StandinToolCall, ...]
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    is_truncated: bool = False  # it ends at the limit of tokens

    @property
    def bill(self) -> Bill:
        return Bill(self.prompt_tokens, self.cached_tokens, self.output_tokens + self.reasoning_tokens)


@dataclass(frozen=True, slots=True)
class StreamParts:
    """A stream's events in their parts, so that a fault can cut between them."""

    opening: bytes
    content: tuple[bytes, ...]
    closing: bytes  # why it ended, usage, the end's mark


class StandinError(NamedTuple):
    """Content of an error body."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    request_id: str = ""
    wait: float | None = None  # seconds until another attempt makes sense


def say(ask: Ask, behaviour: ModelBehaviour, number: str, now: float) -> Said:
    """Return what this behaviour answers; `number` makes its ids unique, `now` is in seconds since 1970."""
    tools, slip = _tools(ask, behaviour), behaviour.slip
    text = () if tools or slip == "empty" else _text(ask, behaviour)
    prompt = ask.body_bytes // 4 + 1 if behaviour.prompt_tokens is None else behaviour.prompt_tokens
    return Said(
        number=number,
        created=int(now),
        model=ask.model,
        text=text,
        calls=tuple(
            _call(tool, f"{number}{at}", behaviour.chunks, slip == "wrong_arguments") for at, tool in enumerate(tools)
        ),
        prompt_tokens=prompt,
        cached_tokens=min(behaviour.cached_tokens, prompt),
        output_tokens=behaviour.chunks if behaviour.output_tokens is None else behaviour.output_tokens,
        reasoning_tokens=behaviour.reasoning_tokens,
        is_truncated=slip == "truncated",
    )


def usual_error(status: int) -> tuple[str, str | None]:
    """Message and code that go with a status."""
    return MESSAGES.get(status, "The server had an error while processing your request."), CODES.get(status)


def with_broken_arguments(said: Said) -> Said:
    """The same with calls, at least one, whose arguments stop in the middle of a string."""
    calls = said.calls or (_call(MADE_UP, f"{said.number}0", 1),)
    broken = tuple(StandinToolCall(call.number, call.name, ('{"unfinished', '": "valu')) for call in calls)
    return said._replace(text=(), calls=broken)


def parsed(call: StandinToolCall) -> object:
    """A call's arguments as a value; None when they are broken."""
    try:
        return json.loads(call.whole)
    except ValueError:
        return None


def encode(value: object) -> bytes:
    """JSON bytes; lone surrogates, which UTF-8 cannot carry, as ASCII escapes, and what is infinite as null."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits
        finite = json.loads(json.dumps(value), parse_constant=lambda _: None)
        return json.dumps(finite).encode()


def _tools(ask: Ask, behaviour: ModelBehaviour) -> tuple[AskedTool, ...]:
    if behaviour.slip == "unknown_tool":
        return (MADE_UP,)
    if behaviour.slip in ("empty", "off_schema"):
        return ()
    return ask.wanted or (ask.tools[:1] if behaviour.tool_calls and ask.may_call else ())


def _text(ask: Ask, behaviour: ModelBehaviour) -> tuple[str, ...]:
    if behaviour.judge is not None and (graded := grade(ask, behaviour.judge)) is not None:
        return _pieces(graded, behaviour.chunks)
    if behaviour.judge is not None and (drawn := draw_grades(ask, behaviour.judge)) is not None:
        return _pieces(drawn, behaviour.chunks)
    if ask.schema is None or behaviour.slip == "off_schema":
        obeys = behaviour.rule is None or holds_text(ask.fields, behaviour.rule)
        return (behaviour.chunk_text if obeys else behaviour.without_rule,) * behaviour.chunks
    return _pieces(encode(smallest(ask.schema)).decode(), behaviour.chunks)


def _call(tool: AskedTool, number: str, chunks: int, is_wrong: bool = False) -> StandinToolCall:
    arguments = {"unexpected": True} if is_wrong else smallest(tool.parameters) if tool.parameters else {}
    return StandinToolCall(number, tool.name, _pieces(encode(arguments).decode(), chunks))


def _pieces(text: str, count: int) -> tuple[str, ...]:
    """`text` cut into at most `count` pieces of one size."""
    size = -(-len(text) // count) or 1
    return tuple(text[at : at + size] for at in range(0, len(text), size))
