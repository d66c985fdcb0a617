"""Known secrets, replaced by stars in whatever leaves the gateway: as many stars as bytes, so that lengths stay right.

A provider that quotes its key, in an error or in an echo of the request, must not pass it on to a client, a log line or
the store. What succeeds is searched for the secret as such, also where JSON or a URL escapes its odd characters. What
fails is searched thoroughly: for base64, and for a secret that was cut off, too (decision 22).
"""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Generator, Iterable, Iterator
from operator import itemgetter
from typing import Final

from gateway.errors import Headers

SHORTEST = 12
"""Bytes. Shorter keys are words such as `ollama` and `EMPTY`, which an answer may well say."""

_PLAIN = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_.~")  # nobody escapes these
_RUN = re.compile(rb"[0-9A-Za-z_.~-]+")
_PROBE_BYTES = 8
_value_of = itemgetter(1)
_BEGINNING_BYTES = 16  # of a secret that was cut off; less is what all keys of a provider have in common


class Redactor:
    """Replaces some secrets."""

    __slots__ = (
        "_all",
        "_beginnings",
        "_ends",
        "_firsts",
        "_forms",
        "_longest",
        "_longest_of_all",
        "_pattern",
        "_probes",
    )

    def __init__(self, secrets: Iterable[str], shortest: int = SHORTEST) -> None:
        raw = sorted({s.encode() for s in secrets if len(s.encode()) >= shortest}, key=lambda s: (-len(s), s))
        self._forms = [[_forms(byte) for byte in secret] for secret in raw]
        self._probes = tuple(dict.fromkeys(map(_probe, raw)))
        self._longest = max((sum(max(map(len, forms)) for forms in secret) for secret in self._forms), default=0)
        self._ends = frozenset(byte for secret in self._forms for forms in secret for form in forms for byte in form)
        self._firsts = frozenset(form[0] for secret in self._forms for form in secret[0])
        self._pattern = _pattern(map(_in_any_form, self._forms))
        encoded = {text for secret in raw for text in _encoded(secret)}
        escaped = sorted(map(re.escape, encoded), key=len, reverse=True)
        self._all = _pattern([*map(_in_any_form, self._forms), *escaped])
        self._longest_of_all = max(self._longest, *map(len, encoded), 0)
        self._beginnings = [
            (_pattern([_in_any_form(secret[:_BEGINNING_BYTES])]), secret)
            for secret in self._forms
            if len(secret) > _BEGINNING_BYTES
        ]

    def plain(self, data: bytes) -> bytes:
        """The data without the secrets as such: cheap enough for every piece of every answer."""
        for probe in self._probes:
            if data.find(probe) >= 0:  # `in` is dear with bytes: CPython makes an exception first
                return self._pattern.sub(_stars, data)
        return data

    def is_clean(self, data: bytes) -> bool:
        """Return whether the data certainly holds none of the secrets as plain text; False where that is not clear at
        once."""
        return all(data.find(probe) < 0 for probe in self._probes)

    def thorough(self, data: bytes) -> bytes:
        """The data without the secrets, in base64 and cut off as well."""
        data = self._all.sub(_stars, data)
        for begins, secret in self._beginnings:
            if begins.search(data):
                data = _without_beginnings(data, begins, secret)
        return data

    def text(self, text: str) -> str:
        """The same for text."""
        return self.thorough(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def text_in_steps(self, text: str, window: int) -> Generator[None, None, str]:
        """Return the same text, in steps over about so many bytes each. A secret over two windows is found as well."""
        if not self._forms:
            return text
        data = text.encode("utf-8", "surrogatepass")
        data = yield from _cleaned_in_steps(data, self._all, None, (window, self._longest_of_all))
        for begins, secret in self._beginnings:
            data = yield from _cleaned_in_steps(data, begins, secret, (window, self._longest))
        return data.decode("utf-8", "surrogatepass")

    def headers(self, headers: Headers) -> Headers:
        """The headers with their values redacted; themselves where there is nothing to redact."""
        values = b"\n".join(map(_value_of, headers))
        for probe in self._probes:
            if values.find(probe) >= 0:
                return [(name, self.thorough(value)) for name, value in headers]
        return headers

    def unfinished(self, data: bytes) -> int:
        """Return the number of last bytes that may begin a secret which continues in the next piece."""
        if data[-1] not in self._ends:
            return 0
        begin = max(0, len(data) - self._longest + 1)
        for at in range(begin, len(data)):
            if data[at] in self._firsts and any(_may_go_on(data[at:], secret) for secret in self._forms):
                return len(data) - at
        return 0


class RedactedPieces:
    """A stream of bytes that comes in pieces: no secret passes, wherever it is cut."""

    __slots__ = ("_held", "_redactor")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Return what may be forwarded after this piece, which is never empty."""
        if self._held:
            piece, self._held = self._held + piece, b""
        piece = self._redactor.plain(piece)
        if held := self._redactor.unfinished(piece):
            piece, self._held = piece[:-held], piece[-held:]
        return piece

    def end(self) -> bytes:
        """Return what was held back."""
        held, self._held = self._held, b""
        return held


def _forms(byte: int) -> tuple[bytes, ...]:
    """Return the forms that a character may have in JSON, in a URL, or as itself."""
    if byte in _PLAIN:
        return (bytes([byte]),)
    upper, lower = b"%02X" % byte, b"%02x" % byte
    escaped = (b"\\u00" + upper, b"\\u00" + lower, b"\\" + bytes([byte]), b"%" + upper, b"%" + lower)
    return tuple(dict.fromkeys((*escaped, bytes([byte]))))


def _in_any_form(secret: list[tuple[bytes, ...]]) -> bytes:
    return b"".join(
        re.escape(forms[0]) if len(forms) == 1 else b"(?:" + b"|".join(map(re.escape, forms)) + b")" for forms in secret
    )


def _pattern(parts: Iterable[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(parts) or rb"(?!)")


def _probe(secret: bytes) -> bytes:
    """A piece that stands in the secret in any form: of its longest run of plain characters the end, which differs more
    from key to key than the beginning."""
    runs: list[bytes] = _RUN.findall(secret) or [secret[:1]]
    return max(runs, key=len)[-_PROBE_BYTES:]


def _encoded(secret: bytes) -> Iterator[bytes]:
    """Return the part of the secret's base64 that does not depend on its neighbours."""
    for before in range(3):
        begin, end = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(b"\0" * before + secret)[begin:end]


def _may_go_on(tail: bytes, secret: list[tuple[bytes, ...]]) -> bool:
    """Return whether the secret begins like that and is incomplete."""
    at = 0
    for forms in secret:
        if at == len(tail):
            return True
        form = next((form for form in forms if tail.startswith(form, at)), None)
        if form is None:
            return any(form.startswith(tail[at:]) for form in forms)
        at += len(form)
    return False


def _without_beginnings(data: bytes, begins: re.Pattern[bytes], secret: list[tuple[bytes, ...]]) -> bytes:
    cleaned = bytearray(data)
    for found in begins.finditer(data):
        end = _end_of(data, found, secret)
        cleaned[found.start() : end] = b"*" * (end - found.start())
    return bytes(cleaned)


def _end_of(data: bytes, beginning: re.Match[bytes], secret: list[tuple[bytes, ...]]) -> int:
    """Return where a secret ends that begins there and may be cut off."""
    end = beginning.end()
    for forms in secret[_BEGINNING_BYTES:]:
        form = next((form for form in forms if data.startswith(form, end)), None)
        if form is None:
            break
        end += len(form)
    return end


def _cleaned_in_steps(
    data: bytes, pattern: re.Pattern[bytes], secret: list[tuple[bytes, ...]] | None, sizes: tuple[int, int]
) -> Generator[None, None, bytes]:
    """Return the data with stars for each match, or for what begins with it of a secret.

    `sizes` are a window's and that of the longest match: one that begins before a window's end is found in it.
    """
    window, longest = sizes
    cleaned, at = bytearray(data), 0
    while at < len(data):
        limit = at + window
        for found in pattern.finditer(data, at, limit + longest):
            if found.start() >= limit:
                break
            end = found.end() if secret is None else _end_of(data, found, secret)
            cleaned[found.start() : end] = b"*" * (end - found.start())
            limit = max(limit, found.end())
        at = limit
        if at < len(data):
            yield
    return bytes(cleaned)


def _stars(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])


NOTHING: Final = Redactor(())
"""Knows no secret."""
