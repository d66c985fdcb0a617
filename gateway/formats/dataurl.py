"""Data URLs (RFC 2397) as requests and answers hold them: a media type, and base64 text of any length."""

_SCHEME = "data:"
_LONGEST_HEAD = 1024  # characters up to the comma: a media type and its parameters, such as a file's name


def split(url: str) -> tuple[str, str] | None:
    """The media type in lower case and the base64 text; None for a URL that is no data URL in base64.

    Takes memory for the base64 text alone, whatever stands before it.
    """
    if not is_one(url):
        return None
    comma = url.find(",", len(_SCHEME), len(_SCHEME) + _LONGEST_HEAD)
    if comma < 0:
        return None
    mime, *parameters = url[len(_SCHEME) : comma].lower().split(";")
    return (mime, url[comma + 1 :]) if "base64" in parameters else None


def is_one(url: str) -> bool:
    """Return whether the text is a data URL, in base64 or not."""
    return url[: len(_SCHEME)].lower() == _SCHEME
