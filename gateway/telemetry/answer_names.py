"""Id and model of an answer, as its provider names them."""

import re

import orjson

from gateway.calls import Attempt
from gateway.formats import sse
from gateway.tool_use import short

_name = re.compile(rb'"(id|model)":\s?"([^"\\]{1,200})"')


def names_of(attempt: Attempt) -> tuple[str, str]:
    """Return the id and the model that the attempt's answer names, each '' where it is not known."""
    if attempt.answer_head:
        return _names_in(attempt.answer_head)
    return short(attempt.answer_id), short(attempt.answer_model)


def _names_in(head: bytes) -> tuple[str, str]:
    """Return the first names in the beginning of a stream, which may end within an event."""
    found = "", ""
    for event in sse.split(head + b"\n\n"):
        try:
            members = orjson.loads(sse.data(event))
        except orjson.JSONDecodeError:
            members = _names_before_parts(event)
        if isinstance(members, dict):
            found = found[0] or short(members.get("id")), found[1] or short(members.get("model"))
        if all(found):
            break
    return found


def _names_before_parts(event: bytes) -> dict[str, str]:
    """Return the names in an event whose end was cut off, as far as they stand before its parts of the answer."""
    before, _, _ = event.partition(b'"choices"')
    return {name.decode(): value.decode("utf-8", "replace") for name, value in _name.findall(before)}
