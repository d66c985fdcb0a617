"""Finds the usage in an answer that passes by."""

import orjson

from gateway.calls import Usage
from gateway.errors import Headers
from gateway.formats import sse
from gateway.formats.openai_responses.provider_answer import usage_of
from gateway.formats.openai_usage import usage_in
from gateway.json_size import MOST_VALUES, holds_more
from gateway.net.client import header

EVENT_STREAM = b"text/event-stream"
_METERED_BYTES = 8 << 20  # of an answer that is kept to find its usage; images as base64 take megabytes


class Meter:
    """Finds the usage in an answer that passes by; `counts` where the answer is billed for what it says."""

    def __init__(self, counts: bool) -> None:
        self._counts = counts
        self._streams = False
        self._kept = bytearray()
        self._cutter = sse.Cutter()
        self._found: Usage | None = None

    def begin(self, headers: Headers) -> None:
        """The answer has these headers."""
        kind = (header(headers, b"content-type") or b"").lower()
        self._streams = kind.startswith(EVENT_STREAM)
        self._counts &= self._streams or b"json" in kind

    def feed(self, chunk: bytes) -> None:
        if not self._counts:
            return
        if self._streams:
            self._follow(chunk)
            return
        self._kept += chunk
        if len(self._kept) > _METERED_BYTES:
            self._drop()

    def usage(self) -> Usage | None:
        """Return the usage that was found; None when the answer reported none."""
        if self._counts and not self._streams and self._kept:
            self._found = _usage_in(bytes(self._kept))
            self._drop()
        return self._found

    def _follow(self, chunk: bytes) -> None:
        for event in sse.split(self._cutter.feed(chunk)):
            if b'"usage"' in event:
                self._found = _usage_in(sse.data(event)) or self._found
        if len(self._cutter.kept) > _METERED_BYTES:
            self._drop()

    def _drop(self) -> None:
        self._counts = False
        self._kept.clear()


def _usage_in(body: bytes) -> Usage | None:
    """The usage of an answer or an event, in either of OpenAI's spellings; None where finding it would be dear."""
    if holds_more(body, MOST_VALUES):
        return None
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict) or "input_tokens" not in usage:
        return usage_in(answer) if isinstance(answer, dict) else None
    return usage_of(answer)
