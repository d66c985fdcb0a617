"""An error as a client of chat completions gets it."""

from gateway.errors import SerinusError
from gateway.formats import sse
from gateway.json_body import encode


def error_body(error: SerinusError) -> bytes:
    """OpenAI's error body in our own words."""
    told = {"message": error.told, "type": error.type, "param": error.param, "code": error.code}
    return encode({"error": told}).encode()


def error_event(body: bytes) -> bytes:
    """The server-sent event that tells of an error inside a stream."""
    return sse.event(body)
