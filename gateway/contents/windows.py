"""Search through a long text in windows, with a pause after each: a search by `re` lets nobody else go on meanwhile."""

import asyncio
import re
from collections.abc import Callable
from typing import Final

from gateway.redaction import Redactor

LONGEST_MATCH: Final = 8 << 10  # characters; a pattern that may match more would miss what a window's end cuts
_WINDOW = 16 << 10


async def without_secrets(redactor: Redactor, text: str) -> str:
    """Return the text without the secrets that the redactor knows."""
    if len(text) <= _WINDOW:
        return redactor.text(text)
    steps = redactor.text_in_steps(text, _WINDOW)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return str(end.value)
        await asyncio.sleep(0)


async def substitute(
    pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str | None], text: str
) -> tuple[str, int]:
    """Return the text with each match replaced, and the number of matches that were; None leaves one as it is.

    The same as by one search of all of it, for a pattern that matches at most `LONGEST_MATCH` characters.
    """
    parts, at, count = list[str](), 0, 0
    while at < len(text):
        limit = at + _WINDOW
        done = at
        for found in pattern.finditer(text, at, limit + LONGEST_MATCH):
            if found.start() >= limit:
                break
            word = replacement(found)
            if word is not None:
                parts += (text[done : found.start()], word)
                done, count = found.end(), count + 1
            limit = max(limit, found.end())
        parts.append(text[done:limit])
        at = limit
        if at < len(text):
            await asyncio.sleep(0)
    return "".join(parts) if count else text, count
