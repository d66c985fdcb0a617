"""The parts of an input message, and of a function's output: text, images, files and refusals, read and written."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.errors import CallerError
from gateway.formats import dataurl, values
from gateway.formats.prompt import Media, Part, Refusal, Text, Untranslatable

Extras = dict[str, Any]

# The first characters of images in base64, for those whose type nobody says.
_IMAGES = {"/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}
_PDF = "application/pdf"  # what `file_data` without a data URL is: the one type that every model takes


def read(value: object, param: str, extras: Extras) -> tuple[Part, ...]:
    """A message's content. Parts that no other format knows go to `extras`. Raises CallerError."""
    if isinstance(value, str):
        return (Text(value),)
    parts: list[Part] = []
    for index, each in enumerate(values.items(value, param)):
        where = f"{param}[{index}]"
        part = values.members(each, where)
        kind = values.text(part.get("type"), f"{where}.type")
        if reader := _READERS.get(kind):
            parts.append(reader(part, where))
        else:
            extras[f"input.content.{kind}"] = part
    return tuple(parts)


def write(part: Text | Media) -> dict[str, Any]:
    """A part of what a user, the system or a function says. Raises Untranslatable."""
    if isinstance(part, Text):
        return {"type": "input_text", "text": part.text}
    if part.kind == "image":
        return _image(part)
    if part.kind == "file":
        return _file(part)
    message = f"the Responses API takes no {part.kind}: leave it out, or use a provider that takes {part.kind}"
    raise Untranslatable(message, param="messages")


def _image(media: Media) -> dict[str, Any]:
    image: dict[str, Any] = {"type": "input_image", "detail": media.detail or "auto"}
    if media.file_id:
        return image | {"file_id": media.file_id}
    return image | {"image_url": media.url or f"data:{media.mime or _image_type(media.data)};base64,{media.data}"}


def _image_type(data: str) -> str:
    return next((mime for head, mime in _IMAGES.items() if data.startswith(head)), "image/png")


def _file(media: Media) -> dict[str, Any]:
    file: dict[str, Any] = {"type": "input_file"}
    if media.file_id:
        return file | {"file_id": media.file_id}
    if media.url:
        return file | {"file_url": media.url}
    data = f"data:{media.mime or _PDF};base64,{media.data}"
    return file | {"filename": media.name or "file", "file_data": data}


def _read_text(part: Mapping[str, Any], param: str) -> Part:
    return Text(values.text(part.get("text"), f"{param}.text"), cache=_cached(part))


def _read_refusal(part: Mapping[str, Any], param: str) -> Part:
    return Refusal(values.text(part.get("refusal"), f"{param}.refusal"))


def _read_image(part: Mapping[str, Any], param: str) -> Part:
    url = values.optional_text(part, "image_url", param)
    file_id = values.optional_text(part, "file_id", param)
    detail = values.optional_text(part, "detail", param)
    if not url and not file_id:
        raise CallerError(f"{param} needs image_url or file_id", param=param)
    mime, data, url = _split(url, f"{param}.image_url")
    detail = "" if detail == "auto" else detail  # which is what it is when nobody says anything
    return Media("image", mime, data, url, file_id, detail=detail, cache=_cached(part))


def _read_file(part: Mapping[str, Any], param: str) -> Part:
    url = values.optional_text(part, "file_url", param)
    file_id = values.optional_text(part, "file_id", param)
    content = values.optional_text(part, "file_data", param)
    name = values.optional_text(part, "filename", param)
    if not (url or file_id or content):
        raise CallerError(f"{param} needs file_data, file_url or file_id", param=param)
    if content and not dataurl.is_one(content):
        return Media("file", _PDF, content, name=name, cache=_cached(part))
    mime, data, _ = _split(content, f"{param}.file_data")
    return Media("file", mime, data, url, file_id, name, cache=_cached(part))


def _read_audio(part: Mapping[str, Any], param: str) -> Part:
    audio = values.members(part.get("input_audio"), f"{param}.input_audio")
    data = values.text(audio.get("data"), f"{param}.input_audio.data")
    kind = values.text(audio.get("format"), f"{param}.input_audio.format")
    return Media("audio", f"audio/{kind}", data, cache=_cached(part))


def _split(url: str, param: str) -> tuple[str, str, str]:
    """The type and the base64 data of a data URL, or the URL itself."""
    if not dataurl.is_one(url):
        return "", "", url
    if (parts := dataurl.split(url)) is None:
        raise CallerError(f"{param} must be a URL, or a data URL in base64", param=param)
    return *parts, ""


def _cached(part: Mapping[str, Any]) -> bool:
    return bool(part.get("prompt_cache_breakpoint"))


_READERS: Mapping[str, Callable[[Mapping[str, Any], str], Part]] = {
    "input_text": _read_text,
    "output_text": _read_text,
    "text": _read_text,
    "refusal": _read_refusal,
    "input_image": _read_image,
    "input_file": _read_file,
    "input_audio": _read_audio,
}
