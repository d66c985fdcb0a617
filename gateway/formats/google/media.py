"""Images, recordings and files as Google's models take them: inside the request, or by where they lie."""

from mimetypes import guess_type
from typing import NamedTuple

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


class Located(NamedTuple):
    """Media of a type ('' where it is not known): as base64 `data`, or at a `uri` where there is none."""

    mime: str
    data: str = ""
    uri: str = ""


def locate(media: Media) -> Located:
    """Return the media as Google's models can open it. Raises Untranslatable for what they cannot."""
    if media.data:
        return Located(_mime(media), data=media.data)
    uri = media.url or media.file_id
    if media.url and not media.url.startswith((*_WEB, *_OWN)):
        raise Untranslatable(f"Gemini fetches {media.kind}s from https URLs alone; send the data", param=_FIELD)
    if not media.url and not is_googles(uri):
        raise Untranslatable(f"the {media.kind} is stored at another provider; send its data or a URL", param=_FIELD)
    return Located(media.mime or guess_type(uri.partition("?")[0])[0] or "", uri=uri)


def is_googles(uri: str) -> bool:
    """Return whether only Google's own models can open the URI: a file of its Files API or cloud storage."""
    return uri.startswith(_OWN) or _OWN_INSIDE in uri


def sniffed(data: str) -> str:
    """Return the media type that the data's first bytes tell, '' for an unknown one."""
    return next((mime for beginning, mime in _BEGINNINGS if data.startswith(beginning)), "")


def _mime(media: Media) -> str:
    mime = media.mime or sniffed(media.data) or guess_type(media.name)[0]
    if not mime:
        raise Untranslatable(f"Gemini needs the media type of each {media.kind}; name it", param=_FIELD)
    return mime
