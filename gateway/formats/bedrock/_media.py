"""Images, recordings, films and files as Converse's content blocks."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.formats.prompt import Media, MediaKind, Untranslatable

Block = dict[str, Any]

# What Converse calls a type; the block that holds it is called as in _BLOCKS.
_FORMATS: Mapping[MediaKind, Mapping[str, str]] = {
    "image": {
        "image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp",
    },
    "file": {
        "application/pdf": "pdf", "text/csv": "csv", "text/html": "html", "text/plain": "txt", "text/markdown": "md",
        "application/msword": "doc", "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    },
    "audio": {
        "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/aac": "aac",
        "audio/flac": "flac", "audio/ogg": "ogg", "audio/opus": "opus", "audio/webm": "webm", "audio/mp4": "m4a",
    },
    "video": {
        "video/mp4": "mp4", "video/quicktime": "mov", "video/webm": "webm", "video/x-matroska": "mkv",
        "video/x-flv": "flv", "video/mpeg": "mpeg", "video/x-ms-wmv": "wmv", "video/3gpp": "three_gp",
    },
}  # fmt: skip
_BLOCKS: Mapping[MediaKind, str] = {"image": "image", "file": "document", "audio": "audio", "video": "video"}
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9\-()\[\]]+")  # white space is allowed, one at a time
_LONGEST_NAME = 200 - len(" (99)")  # some is left to tell files of one name apart
_UNNAMED = "document"


def write_media(media: Media) -> Block:
    """The content block. Raises Untranslatable for what Converse does not take."""
    format = _format(media)
    if format is None:
        taken = ", ".join(sorted(_FORMATS[media.kind]))
        raise _untranslatable(f"{media.kind} of type {media.mime or 'unknown'} is not taken; send {taken}")
    block: Block = {"format": format, "source": _source(media)}
    if media.kind == "file":
        block["name"] = _name(media.name)
    return {_BLOCKS[media.kind]: block}


def tell_apart(blocks: list[Block]) -> None:
    """Give files of one name names of their own, in place: Converse refuses a name that comes twice."""
    seen: dict[str, int] = {}
    for document in _documents(blocks):
        name = document["name"]
        seen[name] = count = seen.get(name, 0) + 1
        if count > 1:
            document["name"] = f"{name} ({count})"


def _documents(blocks: list[Block]) -> list[Block]:
    found: list[Block] = []
    for block in blocks:
        if "document" in block:
            found.append(block["document"])
        elif "toolResult" in block:
            found += _documents(block["toolResult"]["content"])
    return found


def _format(media: Media) -> str | None:
    """The type, of a file at a URL by the end of its name too."""
    formats = _FORMATS[media.kind]
    ending = media.url.rpartition(".")[2].lower() if media.url else ""
    return formats.get(media.mime) or next((name for name in formats.values() if name == ending), None)


def _source(media: Media) -> Block:
    if media.data:
        return {"bytes": media.data}
    if media.url.startswith("s3://"):
        return {"s3Location": {"uri": media.url}}
    where = f"by id ({media.file_id!r})" if media.file_id else "by URL"
    raise _untranslatable(f"Bedrock takes no {media.kind} {where}; send its base64 data")


def _name(name: str) -> str:
    """A name of letters that Converse takes: `a_b.pdf` becomes `a b`."""
    stem = name.rpartition(".")[0] or name
    return _NOT_IN_A_NAME.sub(" ", stem).strip()[:_LONGEST_NAME] or _UNNAMED


def _untranslatable(message: str) -> Untranslatable:
    return Untranslatable(message, param="messages")
