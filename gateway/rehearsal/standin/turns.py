"""Decision on a call: the model's answer and its script, whole, plain or streamed. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from . import answers
from .asks import Ask
from .behaviour import ModelBehaviour
from .books import Bill
from .shapes import Served, Shape
from .wire import JSON, Header, WireScript, WireStep, framed, head, lines_of


class Turn(NamedTuple):
    """A call with everything that decides its answer: no chance and no clock after this."""

    shape: Shape
    ask: Ask
    behaviour: ModelBehaviour
    number: str  # makes this turn's ids unique
    now: float  # seconds since 1970
    latency: float  # seconds
    chunked: bool  # False for HTTP/1.0: bodies without a length end with the connection

    @property
    def request_id(self) -> str:
        return f"req_{self.number}"

    def said(self) -> answers.Said:
        return answers.say(self.ask, self.behaviour, self.number, self.now)

    def bill(self, said: answers.Said) -> Bill:
        """Return the cost of a whole answer of this endpoint."""
        match self.shape.charges:
            case "all":
                return said.bill
            case "prompt":
                return Bill(said.prompt_tokens, said.cached_tokens, 0)
        return Bill(0, 0, 0)

    def lines(self, spent_for: float | None = None) -> bytes:
        """The headers that every answer of this provider carries; `spent_for` seconds the limit stays used up."""
        return self.shape.family.headers(Served(self.request_id, self.latency, self.now, spent_for))


def good(turn: Turn) -> WireScript:
    """The answer without a fault."""
    return spoken(turn, turn.said())


def spoken(turn: Turn, said: answers.Said) -> WireScript:
    if turn.ask.stream:
        return streamed(turn, events(turn, said))
    return plain(turn, turn.shape.whole(turn.ask, said), bill=turn.bill(said))


def plain(
    turn: Turn, body: bytes, status: int = 200, bill: Bill | None = None, more: Iterable[Header] = ()
) -> WireScript:
    opening = opening_of(turn, status, [(b"content-length", b"%d" % len(body)), *more])
    return WireScript((WireStep(turn.latency, opening + body, bill),))


def streamed(turn: Turn, events: Iterable[WireStep]) -> WireScript:
    return WireScript(framed(stream_opening(turn), events, chunked=turn.chunked), "keep" if turn.chunked else "close")


def events(turn: Turn, said: answers.Said) -> Iterator[WireStep]:
    """A whole stream: the prompt is charged with its opening, each chunk with its share of the completion."""
    parts = turn.shape.stream(turn.ask, said)
    yield WireStep(turn.latency, parts.opening, Bill(said.prompt_tokens, said.cached_tokens, 0))
    yield from _content(turn, said, parts.content)
    yield WireStep(0.0, parts.closing, None if parts.content else Bill(0, 0, said.bill.completion))


def shares(completion: int, pieces: int) -> Iterator[int]:
    """Spread the tokens of a completion over its pieces: evenly, the rest with the first."""
    each, rest = divmod(completion, pieces)
    return (each + rest if at == 0 else each for at in range(pieces))


def _content(turn: Turn, said: answers.Said, content: tuple[bytes, ...]) -> Iterator[WireStep]:
    if not content:
        return
    for at, share in enumerate(shares(said.bill.completion, len(content))):
        yield WireStep(turn.behaviour.chunk_seconds if at else 0.0, content[at], Bill(0, 0, share))


def beginning(turn: Turn) -> Iterator[WireStep]:
    """A stream up to its fault: its opening and `fault_after_chunks` chunks, always short of the whole."""
    said = turn.said()
    whole = list(events(turn, said))
    yield from whole[: min(1 + turn.behaviour.fault_after_chunks, len(whole) - 1)]


def opening_of(turn: Turn, status: int, headers: Iterable[Header], spent_for: float | None = None) -> bytes:
    kind = turn.shape.kind(turn.ask) if status == 200 else JSON
    return head(status, b"content-type: " + kind + b"\r\n" + lines_of(headers) + turn.lines(spent_for))


def stream_opening(turn: Turn, more: Iterable[Header] = ()) -> bytes:
    framing = (b"transfer-encoding", b"chunked") if turn.chunked else (b"connection", b"close")
    lines = lines_of([(b"content-type", turn.shape.stream_kind), (b"cache-control", b"no-cache"), framing, *more])
    return head(200, lines + turn.lines())
