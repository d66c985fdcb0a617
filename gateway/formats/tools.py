"""The functions that a request offers: the version's own, then the client's of other names."""

from collections.abc import Callable, Iterable
from typing import Any

from gateway.json_body import Document, array, elements


def name_on_top(tool: Any) -> str | None:
    """Return the name of a tool that bears it itself; None for one that has none, as those that a provider runs."""
    name = tool.get("name") if isinstance(tool, dict) else None
    return name if isinstance(name, str) else None


def merge_tools(
    own: Iterable[tuple[str, str]], document: Document, name_of: Callable[[Any], str | None] = name_on_top
) -> str:
    """Return the list of tools as JSON text. `own` are the version's: each with its name and its JSON text."""
    names, merged = [], []
    for name, text in own:
        names.append(name)
        merged.append(text)
    client = document.values.get("tools")
    if isinstance(client, list):
        texts = elements(document.texts["tools"])
        merged += [text for tool, text in zip(client, texts, strict=True) if name_of(tool) not in names]
    return array(merged)
