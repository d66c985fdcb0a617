"""What clients say in each format, and whether an answer is the one that the provider gave in full."""

import json
from collections.abc import Sequence
from typing import Any

from tests.support.calling import events
from tests.support.dialects import DIALECTS, Said

FORMATS: Sequence[str] = tuple(DIALECTS)
WHOLE_TEXT = "cheep " * 8  # what a model of the stand-in says
_ENDS_BADLY = {"error", "response.failed"}


def path(form: str, agent: str, stream: bool) -> str:
    """Where a format's requests go."""
    return DIALECTS[form].path(agent, stream)


def request(form: str, agent: str, text: str, stream: bool) -> dict[str, Any]:
    """A request with an image and one function offered."""
    return DIALECTS[form].ask(agent, text, stream)


def after_tools(form: str, asked: dict[str, Any], body: bytes) -> dict[str, Any] | None:
    """The next turn, with the results of the functions that the answer calls; None where it calls none."""
    answer = json.loads(body)
    return DIALECTS[form].after(asked, answer) if DIALECTS[form].whole(answer).calls else None


def is_right(form: str, body: bytes, stream: bool) -> bool:
    """Return whether it is a whole answer of its format with all that the provider said, or with a call of the tool."""
    try:
        said = _read(form, body, stream)
    except (AssertionError, ValueError, LookupError, TypeError):
        return False
    return said.text == WHOLE_TEXT or bool(said.calls)


def says_error(body: bytes) -> bool:
    """Return whether the last event of a stream is its format's error."""
    try:
        found = [each for each in events(body) if isinstance(each, dict)]
    except ValueError:
        return False
    return bool(found) and is_error(found[-1])


def is_error(event: Any) -> bool:
    """Return whether an event of any format says that the answer failed."""
    return bool(event.get("error")) or bool({event.get("type"), event.get("event_type")} & _ENDS_BADLY)


def _read(form: str, body: bytes, stream: bool) -> Said:
    dialect = DIALECTS[form]
    return dialect.streamed(events(body)) if stream else dialect.whole(json.loads(body))
