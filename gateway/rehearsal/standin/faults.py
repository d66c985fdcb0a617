"""Faults on the wire: a table from a fault's name to its script. Pure; the connection acts."""

import gzip
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from .answers import StandinError, usual_error, with_broken_arguments
from .behaviour import Fault
from .books import Bill
from .turns import Turn, beginning, events, good, opening_of, plain, spoken, stream_opening, streamed
from .unknown_model import refused_model
from .wire import Header, WireScript, WireStep, framed, head

MEGABYTE = 1 << 20
HTML = b"<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>\n"
END = b"\n\n"  # of an event
GZIP = 31  # zlib's wbits for a gzip header around the largest window


def faulty(turn: Turn, fault: Fault) -> WireScript:
    """The answer with this fault."""
    return _FAULTS[fault](turn)


def _half(turn: Turn) -> tuple[bytes, bytes, Bill]:
    """Head with the full length, half of the body, and the bill of a plain answer that breaks off."""
    said = turn.said()
    body = turn.shape.whole(turn.ask, said)
    return opening_of(turn, 200, [(b"content-length", b"%d" % len(body))]), body[: len(body) // 2], turn.bill(said)


def _broken(turn: Turn, end: Literal["close", "hang", "reset"]) -> WireScript:
    """Send a part of the answer, then end the connection so."""
    if turn.ask.stream:
        return WireScript(framed(stream_opening(turn), beginning(turn), chunked=turn.chunked, closed=False), end)
    opening, half, bill = _half(turn)
    return WireScript((WireStep(turn.latency, opening + half, bill),), end)


def _status(turn: Turn) -> WireScript:
    return _error(turn, turn.behaviour.status, turn.behaviour.retry_after_seconds)


def _rate_limit(turn: Turn) -> WireScript:
    wait = turn.behaviour.retry_after_seconds
    return _error(turn, 429, 1.0 if wait is None else wait)


def _unknown_model(turn: Turn) -> WireScript:
    status, body = refused_model(turn.behaviour.unknown_model_like, turn.ask.model)
    opening = opening_of(turn, status, [(b"content-length", b"%d" % len(body))])
    return WireScript((WireStep(turn.latency, opening + body),))


def _error(turn: Turn, status: int, wait: float | None) -> WireScript:
    more = _retry_headers(wait, turn.behaviour.should_retry)
    body = turn.shape.family.error(_problem(turn, status, wait))
    spent_for = wait if status == 429 else None
    opening = opening_of(turn, status, [(b"content-length", b"%d" % len(body)), *more], spent_for=spent_for)
    return WireScript((WireStep(turn.latency, opening + body),))


def _retry_headers(wait: float | None, should_retry: bool | None) -> list[Header]:
    found: list[Header] = []
    if wait is not None:
        found.append((b"retry-after", b"%d" % math.ceil(wait)))  # RFC 9110, 10.2.3: whole seconds
        if wait % 1:
            found.append((b"retry-after-ms", b"%d" % round(wait * 1000)))
    if should_retry is not None:
        found.append((b"x-should-retry", b"true" if should_retry else b"false"))
    return found


def _problem(turn: Turn, status: int, wait: float | None = None) -> StandinError:
    how = turn.behaviour
    message, code = usual_error(status)
    return StandinError(
        status, how.error_message or message, how.error_param, how.error_code or code, turn.request_id, wait
    )


def _error_in_200(turn: Turn) -> WireScript:
    problem = _problem(turn, turn.behaviour.status)
    if turn.ask.stream:
        event = turn.shape.error_event(turn.ask, turn.said(), problem, 0)
        return streamed(turn, [WireStep(turn.latency, event)])
    return plain(turn, turn.shape.failed(turn.ask, turn.said(), problem))


def _error_mid_stream(turn: Turn) -> WireScript:
    if not turn.ask.stream:
        return _error_in_200(turn)
    sent = list(beginning(turn))
    problem = _problem(turn, turn.behaviour.status)
    event = turn.shape.error_event(turn.ask, turn.said(), problem, sum(step.data.count(END) for step in sent))
    return streamed(turn, [*sent, WireStep(turn.behaviour.chunk_seconds, event)])


def _truncate(turn: Turn) -> WireScript:
    return _broken(turn, "close")


def _clean_cut(turn: Turn) -> WireScript:
    if turn.ask.stream:
        return streamed(turn, beginning(turn))
    _, half, bill = _half(turn)
    return plain(turn, half, bill=bill)


def _hang(turn: Turn) -> WireScript:
    return WireScript((), "hang")


def _hang_mid_stream(turn: Turn) -> WireScript:
    return _broken(turn, "hang")


def _reset(turn: Turn) -> WireScript:
    return WireScript((WireStep(turn.latency, b""),), "reset")


def _reset_mid_stream(turn: Turn) -> WireScript:
    return _broken(turn, "reset")


def _html(turn: Turn) -> WireScript:
    lines = b"content-type: text/html; charset=utf-8\r\ncontent-length: %d\r\n" % len(HTML)
    return WireScript((WireStep(turn.latency, head(200, lines) + HTML),))


def _bad_json(turn: Turn) -> WireScript:
    if turn.ask.stream:
        return streamed(turn, [*beginning(turn), WireStep(0.0, turn.shape.bad_event)])
    return plain(turn, turn.shape.not_json)


def _empty_choices(turn: Turn) -> WireScript:
    said = turn.said()
    if turn.ask.stream:
        return streamed(turn, [WireStep(turn.latency, turn.shape.empty_stream(turn.ask, said), turn.bill(said))])
    return plain(turn, turn.shape.empty(turn.ask, said), bill=turn.bill(said))


def _bad_tool_arguments(turn: Turn) -> WireScript:
    if not turn.shape.calls_tools:
        return _bad_json(turn)
    said = turn._replace(behaviour=turn.behaviour.model_copy(update={"tool_calls": True})).said()
    return spoken(turn, with_broken_arguments(said))


def _slow_drip(turn: Turn) -> WireScript:
    script = good(turn)
    return WireScript(_dripped(script.steps, turn), script.end)


def _dripped(steps: Iterable[WireStep], turn: Turn) -> Iterator[WireStep]:
    """The head as one, then the body byte by byte; each step is charged with its first byte."""
    opening, mark = b"", b"\r\n\r\n"
    for after, data, bill in steps:
        if not opening:
            opening, _, data = data.partition(mark)
            yield WireStep(after, opening + mark)
        for at in range(len(data)):
            yield WireStep(turn.behaviour.drip_seconds, data[at : at + 1], None if at else bill)


def _gzip(turn: Turn) -> WireScript:
    said = turn.said()
    if turn.ask.stream:
        opening = stream_opening(turn, [(b"content-encoding", b"gzip")])
        steps = framed(opening, _zipped(events(turn, said)), chunked=turn.chunked)
        return WireScript(steps, "keep" if turn.chunked else "close")
    body = gzip.compress(turn.shape.whole(turn.ask, said), compresslevel=1)
    return plain(turn, body, bill=turn.bill(said), more=[(b"content-encoding", b"gzip")])


def _zipped(steps: Iterable[WireStep]) -> Iterator[WireStep]:
    """Each step compressed and flushed, so that a stream stays a stream."""
    packer = zlib.compressobj(level=1, wbits=GZIP)
    for step in steps:
        yield step._replace(data=packer.compress(step.data) + packer.flush(zlib.Z_SYNC_FLUSH))
    yield WireStep(0.0, packer.flush())


def _gzip_bomb(turn: Turn) -> WireScript:
    opening = opening_of(turn, 200, [(b"content-encoding", b"gzip"), (b"transfer-encoding", b"chunked")])
    return WireScript(framed(opening, _bomb(turn), chunked=True))


def _bomb(turn: Turn) -> Iterator[WireStep]:
    packer = zlib.compressobj(level=9, wbits=GZIP)
    for at, blank in enumerate(_blanks(turn.behaviour.huge_bytes)):
        yield WireStep(turn.latency if at == 0 else 0.0, packer.compress(blank))
    yield WireStep(0.0, packer.flush())


def _huge(turn: Turn) -> WireScript:
    size = turn.behaviour.huge_bytes
    return WireScript(
        framed(opening_of(turn, 200, [(b"content-length", b"%d" % size)]), _bulk(turn, size), chunked=False)
    )


def _bulk(turn: Turn, size: int) -> Iterator[WireStep]:
    for at, blank in enumerate(_blanks(size)):
        yield WireStep(turn.latency if at == 0 else 0.0, blank)


def _blanks(size: int) -> Iterator[bytes]:
    """`size` bytes of white space in pieces: JSON that begins, and begins, and begins."""
    megabyte = b" " * MEGABYTE
    for _ in range(size // MEGABYTE):
        yield megabyte
    if size % MEGABYTE:
        yield megabyte[: size % MEGABYTE]


def _redirect(turn: Turn) -> WireScript:
    return plain(turn, b"", status=307, more=[(b"location", turn.behaviour.redirect_to.encode())])


_FAULTS: dict[Fault, Callable[[Turn], WireScript]] = {
    "status": _status,
    "rate_limit": _rate_limit,
    "unknown_model": _unknown_model,
    "error_in_200": _error_in_200,
    "error_mid_stream": _error_mid_stream,
    "truncate": _truncate,
    "clean_cut": _clean_cut,
    "hang": _hang,
    "hang_mid_stream": _hang_mid_stream,
    "reset": _reset,
    "reset_mid_stream": _reset_mid_stream,
    "html": _html,
    "bad_json": _bad_json,
    "empty_choices": _empty_choices,
    "bad_tool_arguments": _bad_tool_arguments,
    "slow_drip": _slow_drip,
    "gzip": _gzip,
    "gzip_bomb": _gzip_bomb,
    "huge": _huge,
    "redirect": _redirect,
}
