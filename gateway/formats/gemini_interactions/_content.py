"""Content blocks of a step: text, images, recordings, documents; read and written."""

from collections.abc import Mapping
from typing import Any, Literal

from gateway.formats import values
from gateway.formats.google.media import is_googles, locate
from gateway.formats.prompt import Media, MediaKind, Refusal, Text
from gateway.json_body import encode

_KINDS: Mapping[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video", "document": "file"}
_TYPES: Mapping[MediaKind, str] = {kind: name for name, kind in _KINDS.items()}
_STANDARD = str.maketrans("-_", "+/")
_READ = frozenset({"type", "data", "uri", "mime_type", "resolution", "name"})
_COARSE = "low"

Json = dict[str, Any]


def is_content(kind: object) -> bool:
    """Return whether a block of that type is content, and no step."""
    return isinstance(kind, str) and (kind == "text" or kind in _KINDS)


def kind_of_block(block: Mapping[str, Any]) -> MediaKind | Literal["text"] | None:
    """Return what a block of an answer is, None for an unknown one."""
    kind = block.get("type")
    if kind == "text":
        return "text"
    return _KINDS.get(kind) if isinstance(kind, str) else None


def read_contents(value: object, param: str, extras: Json) -> tuple[Text | Media, ...]:
    """Read one text, one block, or a list of blocks. What no message can hold goes to `extras`. Raises CallerError."""
    if isinstance(value, str):
        return (Text(value),) if value else ()
    blocks = value if isinstance(value, list) else [] if value is None else [value]
    read = (read_content(each, f"{param}[{index}]", extras) for index, each in enumerate(blocks))
    return tuple(part for part in read if part is not None)


def read_content(value: object, param: str, extras: Json) -> Text | Media | None:
    """Read one block; None for one that says nothing, or that no message can hold."""
    block = values.members(value, param)
    kind = values.text(block.get("type"), f"{param}.type")
    if kind == "text":
        text = values.text(block.get("text", ""), f"{param}.text")
        return Text(text) if text else None
    if kind not in _KINDS:
        extras[f"content.{kind}"] = block
        return None
    extras.update({f"content.{name}": block[name] for name in block.keys() - _READ if _asks(block[name])})
    return _media(_KINDS[kind], block, param)


def write_content(part: Text | Refusal | Media) -> Json:
    """Write one block. Raises Untranslatable for media that Gemini cannot open."""
    if not isinstance(part, Media):
        return {"type": "text", "text": part.text}
    mime, data, uri = locate(part)
    block: Json = {"type": _TYPES[part.kind]}
    block |= {"data": data} if data else {"uri": uri}
    if mime:
        block["mime_type"] = mime
    if part.detail == _COARSE and part.kind == "image":
        block["resolution"] = _COARSE
    return block


def show_media(media: Media) -> Json | None:
    """Write one block of an answer to a client; None for media that another provider stores."""
    if not media.data and not media.url:
        return None
    where = {"data": media.data} if media.data else {"uri": media.url}
    return {"type": _TYPES[media.kind], **where, **({"mime_type": media.mime} if media.mime else {})}


def text_in(value: object) -> str:
    """Return the text of a step's content, whatever else is wrong with it. Raises CallerError for endless nesting."""
    blocks = value if isinstance(value, list) else [value]
    texts = [block.get("text") for block in blocks if isinstance(block, dict)]
    found = "\n".join(text for text in texts if isinstance(text, str))
    return found or (value if isinstance(value, str) else encode(value))


def _media(kind: MediaKind, block: Mapping[str, Any], param: str) -> Media:
    mime, name = values.optional_text(block, "mime_type", param), values.optional_text(block, "name", param)
    detail = _COARSE if block.get("resolution") == _COARSE else ""
    if block.get("data") is not None:
        # Google's SDKs may write the alphabet for URLs, which others do not read.
        data = values.text(block["data"], f"{param}.data").translate(_STANDARD)
        return Media(kind, mime, data, name=name, detail=detail)
    uri = values.text(block.get("uri"), f"{param}.uri")
    if is_googles(uri) or not uri.startswith(("https://", "http://")):
        return Media(kind, mime, file_id=uri, name=name, detail=detail)
    return Media(kind, mime, url=uri, name=name, detail=detail)


def _asks(value: Any) -> bool:
    """Return whether a member beside the content changes how it is understood; annotations are the model's own."""
    return value not in (None, "static", []) and not isinstance(value, list)
