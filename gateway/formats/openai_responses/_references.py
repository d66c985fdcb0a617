"""References to items of earlier answers: in a request's `input`, and among the `items` of a conversation."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from gateway.errors import BodyTooLarge
from gateway.formats.door import References
from gateway.formats.marks import is_ours
from gateway.formats.openai_responses.amend import history
from gateway.formats.openai_responses.client_request import refuse_ours
from gateway.json_body import Document, NotJson, array, elements

_KIND = "item_reference"
_BARE = frozenset({"type", "id"})  # OpenAI takes a reference without its type, too


def _named(member: str, values: Mapping[str, Any]) -> list[str]:
    """Return the ids of ours that the member's items name, in their order, each once."""
    given = values.get(member)
    items = given if isinstance(given, list) else ()
    return list(dict.fromkeys(name for name in map(_name_of, items) if name))


def _name_of(item: Any) -> str:
    """Return the id of ours that an item is a reference to, '' for any other item."""
    if not isinstance(item, dict) or not is_ours(item.get("id")):
        return ""
    kind = item.get("type")
    return str(item["id"]) if kind == _KIND or (kind is None and item.keys() <= _BARE) else ""


def _put_in(member: str, document: Document, items: Mapping[str, str], most_bytes: int, most_values: int) -> Document:
    """Return the request with each item in the place of its reference. Raises NotJson, BodyTooLarge."""
    try:
        texts = elements(document.texts[member])
    except RecursionError:  # the stack here may be deeper than it was where the body was read
        raise NotJson("the body is nested too deeply") from None
    names = map(_name_of, document.values[member])
    put = [items.get(name, text) for name, text in zip(names, texts, strict=True)]
    if sum(map(len, put)) > most_bytes:  # one large item may be named many times
        raise BodyTooLarge(f"the request is larger than {most_bytes} bytes with the items that it refers to")
    return Document.parse(document.render({member: array(put)}), most_values)


def _without_ours(member: str, document: Document) -> Document:
    """Return the request without our ids and seals; the same object where there are none. Raises NotFound."""
    refuse_ours(document.values)
    items = document.values.get(member)
    made = history(items, document.texts[member]) if isinstance(items, list) else None
    return document if made is None else Document.parse(document.render({member: made}))


def _references(member: str) -> References:
    return References(partial(_named, member), partial(_put_in, member), partial(_without_ours, member))


REFERENCES = _references("input")
# Where OpenAI stores items in a conversation: with a new one, or one to which they are added.
CONVERSATIONS = ((re.compile(r"/v1/conversations(?:/[^/]+/items)?/?"), _references("items")),)
