"""Server-sent events as bytes: how a block is cut into events."""

import pytest

from gateway.formats import sse


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_of_any_line_end(end: bytes) -> None:
    """Every event keeps its bytes, and the blank lines behind it."""
    one, other = b"event: a" + end + b"data: 1" + end + end, b"data: 2" + end + b"data: 3" + end + end + end
    assert sse.split(one + other) == [one, other]
    assert [sse.data(event) for event in (one, other)] == [b"1", b"2\n3"]


def test_blank_lines_are_no_events() -> None:
    """Blank lines without end are one piece, so a provider that sends nothing else costs nothing."""
    for end in (b"\n", b"\r\n", b"\r"):
        assert len(sse.split(end * 100_000)) == 1
        assert len(sse.split(b"data: 1" + end * 100_000 + b"data: 2" + end * 2)) == 2


def test_one_line_end_ends_no_event() -> None:
    """A carriage return and a line feed are one line end."""
    assert sse.split(b"data: 1\r\ndata: 2\r\n\r\n") == [b"data: 1\r\ndata: 2\r\n\r\n"]
