"""Listens to an answer on its way to the client, as far as its next turn may have to be known by it."""

from collections.abc import Awaitable, Callable

from gateway.errors import Headers
from gateway.net.asgi import Message, Send

_HEAD_BYTES = 32_768  # of a stream: the answer's id, and its first words in some hundred events
_WHOLE_BYTES = 1_048_576  # of a whole answer, which is read once more; of a longer one nothing but the id is found
_TAIL_BYTES = 8_192  # its last words, in some thirty events


class AnswerListener:
    """A `send` that passes an answer on as it comes, and hears its beginning and its end.

    What is heard is told before the last byte leaves: the next turn may come to another replica at once. `tell` gets
    the head, with the first piece and at the end, and then the tail of what is longer: None before the end.
    """

    def __init__(self, send: Send, tell: Callable[[bytes, bytes | None], None]) -> None:
        self._send = send
        self._tell = tell
        self._head = bytearray()
        self._tail = bytearray()
        self._is_over = False

    @property
    def begun(self) -> bool:
        return self._send.begun

    def __call__(self, message: Message, /) -> Awaitable[None]:
        self.hear(message.get("body", b""))
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.end()
        return self._send(message)

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        return self._send.answer(status, headers, body)

    def part(self, body: bytes) -> bool:
        is_sent = self._send.part(body)
        if is_sent:
            self.hear(body)
        return is_sent

    def hear(self, piece: bytes) -> None:
        """Listen to a piece of a stream; the first may hold the answer's id."""
        room = _HEAD_BYTES - len(self._head)
        if room > 0:
            is_first = piece and not self._head
            self._head += piece[:room]
            piece = piece[room:]
            if is_first:
                self._tell(bytes(self._head), None)
        if piece:
            self._tail += piece[-_TAIL_BYTES:]
            if len(self._tail) > 2 * _TAIL_BYTES:
                del self._tail[:-_TAIL_BYTES]

    def hear_whole(self, answer: bytes) -> None:
        """Listen to an answer that is whole."""
        self._is_over = True
        self._tell(answer if len(answer) <= _WHOLE_BYTES else answer[:_HEAD_BYTES], b"")

    def end(self) -> None:
        """Tell what was heard, once."""
        if not self._is_over:
            self._is_over = True
            self._tell(bytes(self._head), bytes(self._tail))


class WholeAnswerListener(AnswerListener):
    """The same, which also hears an answer that goes out at once."""

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        if not self.begun and not self._is_over:
            self.hear_whole(body)
        return super().answer(status, headers, body)
