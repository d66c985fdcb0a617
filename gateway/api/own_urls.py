"""Replace a provider's URLs in forwarded JSON answers by paths of the gateway."""

import re
from collections.abc import Awaitable

from gateway.net.asgi import Message, MessageSend, Send

_LONGEST_URL = 4096  # bytes of a URL with what tells that it is one
_LOOKED_BACK = 64  # bytes before a URL that its pattern asks for


class WithOwnUrls(MessageSend):
    """Send an answer, with paths of the gateway for the provider's URLs: clients would send their key to those.

    The last bytes are held back while they may be the beginning of a URL.
    """

    def __init__(self, send: Send, url: re.Pattern[bytes], prefix: str) -> None:
        super().__init__(send)
        self._url = url
        self._prefix = prefix.encode()
        self._is_json = False
        self._held = bytearray()
        self._sent = 0  # bytes at the beginning of what is held that have gone out

    def __call__(self, message: Message, /) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self._is_json = _is_json(message)
            if self._is_json:
                kept = [pair for pair in message["headers"] if pair[0] != b"content-length"]
                message = {**message, "headers": kept}
        elif self._is_json:
            more = message.get("more_body", False)
            message = {**message, "body": self._with_own_urls(message.get("body", b""), is_last=not more)}
        return super().__call__(message)

    def _with_own_urls(self, body: bytes, is_last: bool) -> bytes:
        """Return the bytes that can be sent now, with the URLs replaced."""
        held = self._held
        held += body
        end = len(held) if is_last else max(self._sent, len(held) - _LONGEST_URL)
        pieces: list[bytes | bytearray] = []
        at = self._sent
        for found in self._url.finditer(held, at):
            if found.start() >= end:
                break
            pieces += [held[at : found.start()], found["mark"], self._prefix, found["path"]]
            at = found.end()
        end = max(at, end)
        pieces.append(held[at:end])
        forgotten = max(0, end - _LOOKED_BACK)
        del held[:forgotten]
        self._sent = end - forgotten
        return b"".join(pieces)


def _is_json(message: Message) -> bool:
    return any(name == b"content-type" and b"json" in value[:32] for name, value in message["headers"])
