"""What is heard of an answer on its way: its beginning, its end, and no more memory than for these."""

from gateway.call.answer_listener import AnswerListener
from gateway.net.asgi import Message, MessageSend


async def ignore(message: Message) -> None:
    """Send nothing."""


async def test_what_is_heard_is_told_before_the_last_byte_leaves() -> None:
    """Of a stream: an id with its first piece, all else with its end, and that once."""
    events: list[object] = []

    async def send(message: Message) -> None:
        events.append(message.get("body"))

    listener = AnswerListener(MessageSend(send), lambda head, tail: events.append((head, tail)))
    await listener({"type": "http.response.start", "status": 200})
    await listener({"type": "http.response.body", "body": b"a", "more_body": True})
    await listener({"type": "http.response.body", "body": b"b"})
    listener.end()
    assert events == [None, (b"a", None), b"a", (b"ab", b""), b"b"]


def test_a_long_stream_is_heard_at_both_ends() -> None:
    """However long it is, some kilobytes are kept."""
    told: list[tuple[bytes, bytes | None]] = []
    listener = AnswerListener(MessageSend(ignore), lambda head, tail: told.append((head, tail)))
    for number in range(20_000):
        listener.hear(b"%09d " % number)
    listener.end()
    head, tail = told[-1]
    assert head.startswith(b"000000000 ") and tail and tail.endswith(b"000019999 ")
    assert len(head) + len(tail) < 60_000


def test_a_whole_answer_is_told_at_once() -> None:
    """Of one beyond a megabyte the beginning alone, which holds its id."""
    told: list[tuple[bytes, bytes | None]] = []
    listener = AnswerListener(MessageSend(ignore), lambda head, tail: told.append((head, tail)))
    listener.hear_whole(b"x" * 100_000)
    AnswerListener(MessageSend(ignore), lambda head, tail: told.append((head, tail))).hear_whole(b"x" * 2_000_000)
    assert [len(head) for head, _ in told] == [100_000, 32_768]
