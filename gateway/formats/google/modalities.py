"""Tokens by modality, as Google's APIs count them: `AUDIO` and `tokenCount`, or `audio` and `tokens`."""

from typing import Any

from gateway.calls import MediaTokens, tokens

_KINDS = ("audio", "image", "video")  # modalities that are not text, in the order of `MediaTokens`
_MOST_DETAILS = 20

Counted = tuple[Any, int]  # the details of a sum, and the sum


def media_tokens(given: Counted, cached: Counted, made: Counted) -> MediaTokens | None:
    """Return the tokens that are not text, by the details of each sum; None for none."""
    taken, kept, written = _by_kind(*given), _by_kind(*cached), _by_kind(*made)
    audio, image, video = (taken.get(kind, 0) for kind in _KINDS)
    cached_audio, cached_image = min(kept.get("audio", 0), audio), min(kept.get("image", 0), image)
    made_audio, made_image, made_video = (written.get(kind, 0) for kind in _KINDS)
    found = MediaTokens(audio, image, video, cached_audio, cached_image, made_audio, made_image, made_video)
    return found if any(found) else None


def _by_kind(details: Any, whole: int) -> dict[str, int]:
    """Return the counts of each kind, all of them together `whole` at most."""
    found: dict[str, int] = {}
    for each in details[:_MOST_DETAILS] if isinstance(details, list) else ():
        kind = each.get("modality") if isinstance(each, dict) else None
        if isinstance(kind, str) and (kind := kind.lower()) in _KINDS:
            count = min(tokens(each.get("tokenCount") or each.get("tokens")), whole)
            whole -= count
            found[kind] = found.get(kind, 0) + count
    return found
