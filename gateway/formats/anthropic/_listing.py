"""Anthropic's list of models, page by page."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.formats.door import Listing, Page, page_size, place_of

_MOST = 1000  # models on one page


def _card(name: str, created: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": at}


def _listed(cards: list[dict[str, Any]], page: Page) -> dict[str, Any]:
    first, last = (cards[0]["id"], cards[-1]["id"]) if cards else (None, None)
    return {"data": cards, "has_more": page.has_more, "first_id": first, "last_id": last}


def _page(names: Sequence[str], query: Mapping[str, str]) -> Page:
    """Cut out what follows `after_id`, or what ends before `before_id`."""
    size = page_size(query, "limit", _MOST)
    before = place_of(names, query, "before_id")
    if before is not None:
        return Page(names[max(0, before - size) : before], before > size)
    after = place_of(names, query, "after_id")
    begin = 0 if after is None else after + 1
    return Page(names[begin : begin + size], len(names) > begin + size)


LISTING = Listing(_card, _listed, _page, client_headers=(b"anthropic-version",))
