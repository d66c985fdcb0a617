"""OpenAI's list of models."""

from typing import Any

from gateway.formats.door import Listing, Page


def _card(name: str, created: float) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(created), "owned_by": "serinus"}


def _listed(cards: list[dict[str, Any]], _page: Page) -> dict[str, Any]:
    return {"object": "list", "data": cards}


LISTING = Listing(_card, _listed)
