"""Anthropic's list of models, which has one page here."""

from datetime import UTC, datetime
from typing import Any

from gateway.formats.door import Listing


def _card(name: str, created: float) -> dict[str, Any]:
    at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": name, "display_name": name, "created_at": at}


def _listed(cards: list[dict[str, Any]]) -> dict[str, Any]:
    first, last = (cards[0]["id"], cards[-1]["id"]) if cards else (None, None)
    return {"data": cards, "has_more": False, "first_id": first, "last_id": last}


LISTING = Listing(_card, _listed, client_headers=(b"anthropic-version",))
