"""Images, recordings and files as parts of a request for a provider."""

from typing import Any

from gateway.formats.google.media import locate, sniffed
from gateway.formats.prompt import Media


def media_part(media: Media) -> dict[str, Any]:
    """Write media as one part. Raises Untranslatable for what Gemini cannot open."""
    mime, data, uri = locate(media)
    if data:
        return {"inlineData": {"mimeType": mime, "data": data}}
    return {"fileData": {"mimeType": mime, "fileUri": uri} if mime else {"fileUri": uri}}


def fits_a_response(media: Media) -> bool:
    """Return whether a function's response can hold the media: an image or a PDF, inside the request."""
    mime = media.mime or sniffed(media.data)
    return bool(media.data) and (mime.startswith("image/") or mime == "application/pdf")
