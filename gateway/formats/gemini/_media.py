"""Images, recordings and files for a provider: inside the request, or by where they lie."""

from mimetypes import guess_type
from typing import Any

from gateway.formats.prompt import Media, Untranslatable

# How files of these types begin, in base64.
_BEGINNINGS = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
)
_WEB = ("https://", "http://")
_OWN = ("gs://", "files/")
_OWN_INSIDE = "generativelanguage.googleapis.com/"
_FIELD = "messages"


def media_part(media: Media) -> dict[str, Any]:
    """Write media as one part. Raises Untranslatable for what Gemini cannot open."""
    if media.data:
        return {"inlineData": {"mimeType": _mime(media), "data": media.data}}
    uri = media.url or media.file_id
    if media.url and not media.url.startswith((*_WEB, *_OWN)):
        raise Untranslatable(f"Gemini fetches {media.kind}s from https URLs alone; send the data", param=_FIELD)
    if not media.url and not (uri.startswith(_OWN) or _OWN_INSIDE in uri):
        raise Untranslatable(f"the {media.kind} is stored at another provider; send its data or a URL", param=_FIELD)
    mime = media.mime or guess_type(uri.partition("?")[0])[0]
    return {"fileData": {"mimeType": mime, "fileUri": uri} if mime else {"fileUri": uri}}


def fits_a_response(media: Media) -> bool:
    """Return whether a function's response can hold the media: an image or a PDF, inside the request."""
    mime = media.mime or _sniffed(media.data)
    return bool(media.data) and (mime.startswith("image/") or mime == "application/pdf")


def _mime(media: Media) -> str:
    mime = media.mime or _sniffed(media.data) or guess_type(media.name)[0]
    if not mime:
        raise Untranslatable(f"Gemini needs the media type of each {media.kind}; name it", param=_FIELD)
    return mime


def _sniffed(data: str) -> str:
    return next((mime for beginning, mime in _BEGINNINGS if data.startswith(beginning)), "")
