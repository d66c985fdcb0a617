"""One call, decided: what the model says to it and the script of a good answer, whole, plain or streamed. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from . import answers
from .asks import Ask
from .behaviour import Behaviour
from .books import Bill
from .wire import EVENTS, JSON, Header, Script, Step, framed, head, lines_of, provider_lines


class Turn(NamedTuple):
    """One call with everything that decides its answer: nothing is drawn or read from a clock after this."""

    ask: Ask
    behaviour: Behaviour
    number: str  # makes this turn's ids unique
    now: float  # seconds since 1970
    latency: float  # seconds
    chunked: bool  # False for HTTP/1.0: bodies without a length end with the connection

    def said(self) -> answers.Said:
        return answers.say(self.ask, self.behaviour, self.number, self.now)


def good(turn: Turn) -> Script:
    """The answer without a fault."""
    return spoken(turn, turn.said())


def spoken(turn: Turn, said: answers.Said) -> Script:
    if turn.ask.stream:
        return streamed(turn, events(turn, said))
    return plain(turn, answers.completion(said), bill=said.bill)


def plain(turn: Turn, body: bytes, status: int = 200, bill: Bill | None = None, more: Iterable[Header] = ()) -> Script:
    opening = opening_of(turn, status, [(b"content-length", b"%d" % len(body)), *more])
    return Script((Step(turn.latency, opening + body, bill),))


def streamed(turn: Turn, events: Iterable[Step]) -> Script:
    return Script(framed(stream_opening(turn), events, chunked=turn.chunked), "keep" if turn.chunked else "close")


def events(turn: Turn, said: answers.Said) -> Iterator[Step]:
    """A whole stream: the prompt is charged with the role, each chunk with its share of the completion."""
    told = answers.told(said, turn.ask.include_usage)
    yield Step(turn.latency, told.opening, Bill(said.prompt_tokens, said.cached_tokens, 0))
    yield from _content(turn, said, told.content)
    yield Step(0.0, told.closing)


def _content(turn: Turn, said: answers.Said, content: tuple[bytes, ...]) -> Iterator[Step]:
    each, rest = divmod(said.bill.completion, len(content))
    for at, event in enumerate(content):
        yield Step(turn.behaviour.chunk_seconds if at else 0.0, event, Bill(0, 0, each + rest if at == 0 else each))


def beginning(turn: Turn) -> Iterator[Step]:
    """A stream up to its fault: the role and `fault_after_chunks` chunks, always short of the whole."""
    said = turn.said()
    whole = list(events(turn, said))
    yield from whole[: min(1 + turn.behaviour.fault_after_chunks, len(whole) - 1)]


def opening_of(turn: Turn, status: int, headers: Iterable[Header], spent_for: float | None = None) -> bytes:
    lines = provider_lines(f"req_{turn.number}", turn.latency, spent_for)
    return head(status, b"content-type: " + JSON + b"\r\n" + lines_of(headers) + lines)


def stream_opening(turn: Turn, more: Iterable[Header] = ()) -> bytes:
    framing = (b"transfer-encoding", b"chunked") if turn.chunked else (b"connection", b"close")
    lines = lines_of([(b"content-type", EVENTS), (b"cache-control", b"no-cache"), framing, *more])
    return head(200, lines + provider_lines(f"req_{turn.number}", turn.latency))
