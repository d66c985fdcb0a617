"""Redaction of texts before they are kept: known secrets, what has their shape, and what operators name.

Every search here takes time linear in the text: whoever writes a prompt must not hold up the gateway with it.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache, partial

from gateway.auth import Doorkeeper
from gateway.contents.content import CallContent
from gateway.contents.selection import CUT, MARGIN
from gateway.contents.windows import substitute, without_secrets
from gateway.redaction import NOTHING, Redactor
from gateway.text_patterns import TextPatterns

_AT_ONCE = 16 << 10  # characters that are looked through without a pause: a few milliseconds
_SHORTEST_KEY = 8
_KEY = "[redacted: key]"
_TOKEN = re.compile(r"[\w.~+/=-]{12,256}")
# What keys of well-known APIs begin with; a JSON Web Token; the header of a request; a private key in PEM.
_KEYS = re.compile(
    r"(?:(?<![\w-])|(?<=\\[nrt]))(?:"  # a line's end may stand before it as JSON writes it
    r"[SPRspr][Kk][-_][\w-]{16,200}|gh[a-z]_\w{20,100}|github_pat_\w{20,120}|glpat-[\w-]{16,100}|xox[a-z]-[\w-]{10,200}"
    r"|xai-\w{20,200}|gsk_\w{20,200}|AIza[\w-]{30,60}|ya29\.[\w-]{20,400}|A[KS]IA[A-Z0-9]{16}|hf_\w{20,100}|r8_\w{20,100}"
    r"|nvapi-[\w-]{20,200}|pplx-\w{20,200}|tgp_\w{20,200}|whsec_[\w+/=-]{16,200}|npm_\w{20,100}"
    r"|eyJ[\w-]{8,1000}(?:\.[\w-]{0,3000}){0,2}"
    r"|[Bb]earer\s{1,4}[\w.~+/=-]{16,1000})"
    r"|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\w+/=\s\\]{0,7000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"
)
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_CARD = re.compile(r"(?<![\d.])[2-6](?:[ -]?\d){12,18}(?![\d])")
_MISSING = re.compile(r"(\d{1,12}) ")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of a configuration: those that it holds, and keys of which it holds a digest."""

    known: Redactor = NOTHING
    doorkeeper: Doorkeeper | None = None


class ContentRedactor:
    """Redactor of contents, by the secrets of the configuration as it is."""

    def __init__(self) -> None:
        self.secrets = Secrets()
        self._patterns = lru_cache(maxsize=64)(TextPatterns)

    async def redact(self, content: CallContent, caller: str, patterns: tuple[str, ...]) -> CallContent:
        """Return a content without secrets, and without the margins of texts that were cut."""
        doorkeeper, total, done = self.secrets.doorkeeper, 0, 0
        own = _redactor_of(() if doorkeeper is None else doorkeeper.keys_of(caller))
        texts = list[str]()
        for text in content.texts:
            unknown = await without_secrets(self.secrets.known, await without_secrets(own, text))
            clean, count = await self._without_shapes(unknown)
            texts.append(clean)
            total, done = total + count + (unknown != text), done + len(text)
            if done > _AT_ONCE:
                done = 0
                await asyncio.sleep(0)
        if patterns:
            texts, count = await asyncio.to_thread(self._patterns(patterns).replace_in, texts)
            total += count
        is_cut = content.cut or any(CUT in text for text in texts)
        return content.with_texts(list(map(_cut, texts)), total, is_cut=is_cut)

    async def _without_shapes(self, text: str) -> tuple[str, int]:
        text, count = await substitute(_KEYS, lambda _: _KEY, text)
        doorkeeper = self.secrets.doorkeeper
        if doorkeeper is not None and doorkeeper.has_secrets:
            text, more = await substitute(_TOKEN, partial(_digested, doorkeeper), text)
            count += more
        if "@" in text:
            text, more = await substitute(_EMAIL, lambda _: "[redacted: e-mail]", text)
            count += more
        text, more = await substitute(_CARD, _card, text)
        return text, count + more


def _digested(doorkeeper: Doorkeeper, found: re.Match[str]) -> str | None:
    """Return what stands for a caller's key, or for an operator's token, of which only a digest is known."""
    return _KEY if any(map(doorkeeper.holds, _readings(found[0]))) else None


def _card(found: re.Match[str]) -> str | None:
    return "[redacted: card number]" if _is_card(found[0]) else None


def _readings(token: str) -> Iterable[str]:
    """Return what a key may be in such a run of characters: all of it, without what ends a sentence, a value."""
    yield token
    if token[0] in "nrt":  # of a line's end, as JSON writes it
        yield token[1:]
    if (bare := token.strip("./=~+-")) != token:
        yield bare
    if "=" in bare:
        yield from (token.partition("=")[2], bare.partition("=")[2], bare.rpartition("=")[2])


def _is_card(text: str) -> bool:
    """Return whether digits have the check digit of a card's number (Luhn)."""
    digits = [int(each) for each in text if each.isdecimal()]
    doubled = (sum(divmod(2 * each, 10)) for each in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _cut(text: str) -> str:
    """Return a text without the margins before its cuts, which are marked."""
    kept, *rest = text.split(CUT)
    for piece in rest:
        if missing := _MISSING.match(piece):
            kept = f"{kept[:-MARGIN]}… [{int(missing[1]):,} characters cut]{piece[missing.end() :]}"
        else:
            kept += piece
    return kept


@lru_cache(256)
def _redactor_of(keys: tuple[str, ...]) -> Redactor:
    return Redactor(keys, shortest=_SHORTEST_KEY)
