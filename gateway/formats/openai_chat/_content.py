"""The content of a chat-completions message, both ways: text, images, recordings and files."""

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.formats import dataurl, values
from gateway.formats.prompt import Media, MediaKind, Refusal, Text, Untranslatable

Json = Mapping[str, Any]

_AUDIO_TYPES = {"mp3": "audio/mpeg"}  # other formats are called as their type is
_AUDIO_FORMATS = {
    **{"audio/mpeg": "mp3", "audio/mp3": "mp3"},
    **{"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav"},
}
_PDF = "application/pdf"
_CACHE_MARKS = ("cache_control", "prompt_cache_breakpoint")


def read_content(value: object, param: str) -> tuple[Text | Media | Refusal, ...]:
    """The parts of a `content`. Raises CallerError; Untranslatable for a kind of part that is not known."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (Text(value),)
    return values.each(value, param, _read_part)


def write_content(parts: Sequence[Text | Media], cache: bool, param: str = "messages") -> str | list[dict[str, Any]]:
    """A `content`; `cache` says whether the provider knows marks for its prompt cache.

    Raises Untranslatable for media that chat completions have no part for.
    """
    match parts:
        case ():
            return ""
        case (Text(text, marked),) if not (marked and cache):
            return text
    texts = [part.text for part in parts if isinstance(part, Text) and not (part.cache and cache)]
    if len(texts) == len(parts):
        return "\n\n".join(texts)  # some servers take no list of texts
    return [_write_part(part, cache, param) for part in parts]


def data_url(media: Media) -> str:
    return f"data:{media.mime};base64,{media.data}"


def is_marked(part: Json) -> bool:
    """Return whether the client asks to cache the content up to here."""
    return any(part.get(name) for name in _CACHE_MARKS)


def _read_part(value: object, param: str) -> Text | Media | Refusal:
    part = values.members(value, param)
    kind, marked = part.get("type"), is_marked(part)
    match kind:
        case "text":
            return Text(values.text(part.get("text"), f"{param}.text"), marked)
        case "refusal":
            return Refusal(values.text(part.get("refusal"), f"{param}.refusal"))
        case "image_url" | "video_url":
            return _read_url("image" if kind == "image_url" else "video", part.get(kind), f"{param}.{kind}", marked)
        case "input_audio":
            return _read_audio(part.get("input_audio"), f"{param}.input_audio", marked)
        case "file":
            return _read_file(part.get("file"), f"{param}.file", marked)
    values.text(kind, f"{param}.type")
    raise Untranslatable(
        f"{param}: content of type {kind!r} cannot be sent to a provider of another format", param=param
    )


def _read_url(kind: MediaKind, value: object, param: str, marked: bool) -> Media:
    image = {"url": value} if isinstance(value, str) else values.members(value, param)
    url = values.text(image.get("url"), f"{param}.url")
    detail = values.optional_text(image, "detail", param)
    if not dataurl.is_one(url):
        return Media(kind, url=url, detail=detail, cache=marked)
    mime, data = _read_data_url(url, f"{param}.url")
    return Media(kind, mime, data, detail=detail, cache=marked)


def _read_audio(value: object, param: str, marked: bool) -> Media:
    audio = values.members(value, param)
    kind = values.text(audio.get("format"), f"{param}.format")
    data = values.text(audio.get("data"), f"{param}.data")
    return Media("audio", _AUDIO_TYPES.get(kind, f"audio/{kind}"), data, cache=marked)


def _read_file(value: object, param: str, marked: bool) -> Media:
    file = values.members(value, param)
    name = values.optional_text(file, "filename", param)
    if file_id := values.optional_text(file, "file_id", param):
        return Media("file", file_id=file_id, name=name, cache=marked)
    data = values.text(file.get("file_data"), f"{param}.file_data")
    if data.startswith(("https:", "http:")):
        return Media("file", url=data, name=name, cache=marked)
    mime, data = _read_data_url(data, f"{param}.file_data") if dataurl.is_one(data) else (_PDF, data)
    return Media("file", mime, data, name=name, cache=marked)


def _read_data_url(url: str, param: str) -> tuple[str, str]:
    """Type and base64 text of a data URL."""
    if (parts := dataurl.split(url)) is None:
        raise values.wrong(param, "a URL, or a data URL in base64: data:image/png;base64,…")
    return parts


def _write_part(part: Text | Media, cache: bool, param: str) -> dict[str, Any]:
    mark = {"cache_control": {"type": "ephemeral"}} if part.cache and cache else {}
    if isinstance(part, Text):
        return {"type": "text", "text": part.text, **mark}
    match part.kind:
        case "image" if part.url or part.data:
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": part.url or data_url(part), **detail}, **mark}
        case "audio" if part.data and part.mime in _AUDIO_FORMATS:
            sound = {"data": part.data, "format": _AUDIO_FORMATS[part.mime]}
            return {"type": "input_audio", "input_audio": sound, **mark}
        case "file" if part.data or part.file_id:
            return {"type": "file", "file": _write_file(part), **mark}
    raise Untranslatable(_refusal(part), param=param)


def _write_file(part: Media) -> dict[str, Any]:
    named = {"filename": part.name} if part.name else {}
    if part.file_id:
        return {"file_id": part.file_id, **named}
    return {"filename": part.name or "file", "file_data": data_url(part)}


def _refusal(part: Media) -> str:
    if part.url or part.file_id:
        where = "by URL" if part.url else "by id"
        return f"a chat completion takes no {part.kind} {where}; send its base64 data instead"
    return f"a chat completion takes no {part.kind} of type {part.mime or 'unknown'}"
