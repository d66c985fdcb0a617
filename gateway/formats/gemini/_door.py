"""The endpoints of Gemini's clients, which name the model in the path, and its list of models."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.errors import NotFound
from gateway.formats.door import Door, Listing, Page, RoutingFields, page_size, place_of

_WHOLE, _STREAM = "generateContent", "streamGenerateContent"
_MODELS = "/v1beta/models"
_PREFIX = "models/"
_MOST = 1000  # models on one page


def _asked(path: Mapping[str, str], _values: Mapping[str, Any]) -> RoutingFields:
    model, _, verb = path["model"].rpartition(":")
    if verb not in (_WHOLE, _STREAM):
        raise NotFound(f"there is no {verb!r} here; use {_WHOLE} or {_STREAM}")
    return model, verb == _STREAM


def _card(name: str, _created: float) -> dict[str, Any]:
    agent, _, version = name.partition("@")
    return {
        "name": _PREFIX + name,
        "baseModelId": agent,
        "version": version,
        "displayName": name,
        "supportedGenerationMethods": [_WHOLE, _STREAM],
    }


def _listed(cards: list[dict[str, Any]], page: Page) -> dict[str, Any]:
    more = {"nextPageToken": page.names[-1]} if page.has_more else {}
    return {"models": cards, **more}


def _page(names: Sequence[str], query: Mapping[str, str]) -> Page:
    """Cut out the page behind its token, which is the last name of the page before."""
    size, after = page_size(query, "pageSize", _MOST), place_of(names, query, "pageToken")
    begin = 0 if after is None else after + 1
    return Page(names[begin : begin + size], len(names) > begin + size)


DOOR = Door(
    paths=(f"{_MODELS}/{{model:path}}", "/v1/models/{model:path}"),  # some of Google's clients leave "beta" out
    owns="/v1beta/",
    shown=f"{_MODELS}/{{agent}}:{_WHOLE}",
    array="contents",
    asked=_asked,
    verbs=(_WHOLE, _STREAM),
    keeps_query=False,  # `alt` is the path's business, and `key` nobody's
    title="Gemini's GenerateContent",
)
LISTING = Listing(
    _card,
    _listed,
    _page,
    paths=(_MODELS, f"{_MODELS}/{{model:path}}"),
    client_headers=(b"x-goog-api-key", b"x-goog-api-client"),
)
