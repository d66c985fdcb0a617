"""Excerpt of a conversation for a person: the latest messages, within a limit that no caller can change.

The work and the result are bounded by the budget, whatever the size of the conversation.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from gateway.json_body import encode

_DEEPEST = 12  # levels of a message; contents and their parts take five
_LONGEST_NAME = 100
_SHOWN = 64  # characters of what nobody reads: pictures, sounds and files in base64
_LONGEST_WORD = 1_000  # characters without a space: what is longer is no text
_EACH = 8  # what a value costs beside its text: quotes, commas, colons
_LEAST = 200  # characters; with less left no further message is begun


def excerpt(messages: Sequence[Any], most: int) -> tuple[str, int]:
    """The latest messages as JSON text of about `most` characters, oldest first, and how many were left out."""
    budget, kept = _Budget(most), list[str]()
    for message in reversed(messages):
        if kept and budget.left < _LEAST:
            break
        kept.append(encode(budget.cut(message)))
    return f"[{','.join(reversed(kept))}]", len(messages) - len(kept)


class _Budget:
    """Remaining characters of JSON that may be kept."""

    def __init__(self, most: int) -> None:
        self.left = most

    def cut(self, value: Any, depth: int = 0) -> Any:
        """The value with what is beyond the budget left out."""
        self.left -= _EACH
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict | list):
            if depth == _DEEPEST:
                return "…"
            return self._members(value, depth) if isinstance(value, dict) else self._items(value, depth)
        return value

    def _members(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name, member in value.items():
            if self.left <= 0:
                kept["…"] = f"{len(value) - len(kept)} members left out"
                break
            self.left -= min(len(name), _LONGEST_NAME)
            kept[name[:_LONGEST_NAME]] = self.cut(member, depth + 1)
        return kept

    def _items(self, value: list[Any], depth: int) -> list[Any]:
        kept: list[Any] = []
        for item in value:
            if self.left <= 0:
                kept.append(f"… ({len(value) - len(kept)} items left out)")
                break
            kept.append(self.cut(item, depth + 1))
        return kept

    def _text(self, text: str) -> str:
        limit = _SHOWN if _is_opaque(text) else max(self.left, _SHOWN)
        kept = text[:limit]
        while (cost := len(encode(kept))) > max(self.left, 6 * _SHOWN):  # what is not ASCII takes up to twelve
            kept = kept[: len(kept) // 2]
        self.left -= cost
        return kept if len(kept) == len(text) else f"{kept}… ({len(text) - len(kept)} characters left out)"


def _is_opaque(text: str) -> bool:
    if len(text) <= _LONGEST_WORD:
        return False
    return text.startswith("data:") or not any(map(str.isspace, islice(text, _LONGEST_WORD)))
