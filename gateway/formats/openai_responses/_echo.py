"""A response that goes through from its provider, with the prompt in it that the client had named."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.formats.framing import Frame
from gateway.json_body import Document, NotJson, TooManyValues, encode
from gateway.json_size import ANSWER_FACTOR, MOST_VALUES

_MOST_VALUES: Final = ANSWER_FACTOR * MOST_VALUES
# Events that hold the whole response as it is by then.
_HOLDING: Final = frozenset(
    f"response.{state}" for state in ("created", "queued", "in_progress", "completed", "incomplete", "failed")
)


def echo_in_answer(body: bytes, prompt: Mapping[str, Any]) -> bytes:
    """Return the answer with the prompt in it; as it is where it cannot be read."""
    try:
        return Document.parse(body, _MOST_VALUES).render({"prompt": encode(prompt)})
    except (NotJson, TooManyValues):
        return body


def echo_in_frame(frame: Frame, prompt: Mapping[str, Any]) -> Frame:
    """Return the event with the prompt in its response, if it has one."""
    if frame.name not in _HOLDING:
        return frame
    try:
        event = Document.parse(frame.data, _MOST_VALUES)
        if not isinstance(event.values.get("response"), dict):
            return frame
        response = echo_in_answer(event.texts["response"].encode(), prompt)
        data = event.render({"response": response.decode()})
    except (NotJson, TooManyValues):
        return frame
    return frame._replace(raw=b"event: %b\ndata: %b\n\n" % (frame.name.encode(), data))
