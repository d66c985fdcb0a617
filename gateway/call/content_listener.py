"""Listens to the answer of a call whose texts are recorded, on its way to the client."""

from collections.abc import Awaitable

from gateway.calls import Call, Outcome
from gateway.contents.sampling import may_be_chosen
from gateway.errors import Headers
from gateway.heard import HeardCall, HeldBytes
from gateway.net.asgi import Message, Send
from routing.agents import ContentRules


class ContentListener:
    """A `send` that passes an answer on as it comes, and hears all of it."""

    __slots__ = ("_heard", "_send")

    def __init__(self, send: Send, heard: HeardCall) -> None:
        self._send = send
        self._heard = heard

    @property
    def begun(self) -> bool:
        return self._send.begun

    def __call__(self, message: Message, /) -> Awaitable[None]:
        self._heard.hear(message.get("body", b""))
        return self._send(message)

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        is_sent = self._send.answer(status, headers, body)
        if is_sent:
            self._heard.hear(body)
        return is_sent

    def part(self, body: bytes) -> bool:
        is_sent = self._send.part(body)
        if is_sent:
            self._heard.hear(body)
        return is_sent


def listen(call: Call, outcome: Outcome, rules: ContentRules, send: Send, held: HeldBytes) -> Send:
    """Return a `send` through which the call is heard, if its texts are to be recorded."""
    if call.operation != "generate" or not may_be_chosen(outcome, rules):
        return send
    outcome.heard = HeardCall(rules, held)
    return ContentListener(send, outcome.heard)
