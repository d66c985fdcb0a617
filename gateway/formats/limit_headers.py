"""Headers that tell a client of a limit of ours, as its SDK knows them from its own provider."""

from gateway.errors import Headers, OverLimit

_MINUTE, _HOUR = 60, 3600


def openai_headers(error: OverLimit) -> Headers:
    """Return OpenAI's: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`; none for what it has no name of."""
    kind, amount, left, resets_in, _ = error.reached
    if kind not in ("requests", "tokens"):
        return ()
    named = kind.encode()
    headers = [(b"x-ratelimit-limit-" + named, b"%d" % amount), (b"x-ratelimit-remaining-" + named, b"%d" % left)]
    if resets_in is not None:
        headers.append((b"x-ratelimit-reset-" + named, duration(resets_in).encode()))
    return headers


def no_headers(_error: OverLimit) -> Headers:
    """Return no headers: the body says it all."""
    return ()


def duration(seconds: float) -> str:
    """Return a duration as OpenAI writes it: `20ms`, `8.64s`, `6m0s`, `1h2m3s`."""
    if seconds < 1:
        return f"{max(1, round(seconds * 1000))}ms"
    if seconds < _MINUTE:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    whole = round(seconds)
    hours, rest = divmod(whole, _HOUR)
    return (f"{hours}h" if hours else "") + f"{rest // _MINUTE}m{rest % _MINUTE}s"
