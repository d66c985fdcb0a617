"""The endpoints of the API's clients, and the id by which they continue an answer."""

from collections.abc import Mapping
from typing import Any

from gateway.errors import CallerError
from gateway.formats import sse
from gateway.formats.answer_ids import AnswerIds
from gateway.formats.door import Door, RoutingFields
from gateway.formats.provider_json import parse_quietly

PATH = "/interactions"
_LONGEST_ID = 2_000
_find_id = AnswerIds(b"v1_", _LONGEST_ID)  # Google's ids begin so


def _asked(_path: Mapping[str, str], values: Mapping[str, Any]) -> RoutingFields:
    """Read the agent where the API has a model or an agent of Google's: it is replaced by what the version names."""
    model, agent = values.get("model"), values.get("agent")
    if model is not None and agent is not None:
        raise CallerError("name the agent as 'model' or as 'agent', not as both", param="agent")
    return (model if agent is None else agent), values.get("stream")


def answer_id(heard: bytes) -> str:
    """Return the id of an answer whose beginning was heard, '' where it is not found."""
    if heard.lstrip().startswith(b"{"):
        whole = parse_quietly(heard)
        if isinstance(whole, dict):
            return _text(whole.get("id"))
        return _find_id(heard)
    end = sse.complete_until(heard)
    for event in sse.split(heard[:end])[:4]:  # it is in the first
        said = parse_quietly(sse.data(event))
        interaction = said.get("interaction") if isinstance(said, dict) else None
        if isinstance(interaction, dict):
            return _text(interaction.get("id"))
    return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= _LONGEST_ID else ""


DOOR = Door(
    paths=(f"/v1beta{PATH}", f"/v1{PATH}"),  # some of Google's clients leave "beta" out
    owns=f"/v1beta{PATH}",
    asked=_asked,
    kept_at=PATH,
    keeps_query=False,  # `alt` and `key` are nobody's business
    title="Gemini's Interactions",
)
