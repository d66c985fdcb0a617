"""HTML and SVG as values: a child or an attribute that is no `Markup` is escaped."""

from collections.abc import Iterable

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_VOID = frozenset({"br", "hr", "input", "link", "meta"})

Attribute = str | int | float | bool | None


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


NOTHING = Markup("")


def escaped(text: str) -> Markup:
    """Return the text as markup that shows it."""
    return text if isinstance(text, Markup) else Markup(text.translate(_ESCAPES))


def tag(name: str, /, *children: str, **attributes: Attribute) -> Markup:
    """Return an element. `class_` stands for `class`, and `_` for `-`; None and False leave an attribute out."""
    written = "".join(_attribute(key, value) for key, value in attributes.items()) if attributes else ""
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{''.join(map(escaped, children))}</{name}>")


def joined(parts: Iterable[str], between: str = "") -> Markup:
    """Return the parts one after the other."""
    return Markup(escaped(between).join(map(escaped, parts)))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{str(value).translate(_ESCAPES)}"'
