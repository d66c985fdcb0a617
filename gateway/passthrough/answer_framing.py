"""Framing of a provider's answer that is handed on as it comes."""

from gateway.errors import Headers
from gateway.net.client import Response, header
from gateway.passthrough.usage_meter import EVENT_STREAM


def length_of(response: Response) -> Headers:
    """Return the header with the answer's length, where it is known and kept."""
    length = header(response.headers, b"content-length")
    if length is None or is_stream(response):  # a stream that breaks has an error put behind it
        return []
    return [(b"content-length", length)]


def is_stream(response: Response) -> bool:
    """Return whether the answer is a stream of events."""
    return (header(response.headers, b"content-type") or b"").lower().startswith(EVENT_STREAM)
