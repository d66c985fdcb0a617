"""Tell plain words from what is encoded or a credential, by their shape alone: whatever a request holds."""

import re
from collections.abc import Callable

_WORD = re.compile(r"\w+")
_LETTERS_AND_DIGITS = re.compile(r"[^\W_]+")
# What percent-encoding, an escape or an HTML entity writes a character with; an address of somebody.
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}|\\[0-9A-Za-z]|&#|&[a-z]{2,6};|=[0-9A-F]{2}=[0-9A-F]{2}|\w@[A-Za-z]")
_CREDENTIAL = re.compile(
    r"(?<![^\W_])(?:[SPRspr][Kk][-_]|xai-|gsk_|AIza|ya29|AKIA|ASIA|gh[a-z]_|github_pat_|glpat-|xox[a-z]-|hf_|r8_|nvapi-|pplx-"
    r"|tgp_|whsec_|npm_|eyJ)[\w.*~+/=…-]*"
)
_UUID = re.compile(r"(?<![^\W_])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# Of base64, of either alphabet, and of tokens.
_RUN = re.compile(r"[\w+/~-]++={0,2}")
_LONGEST_WORD = 24  # letters
_LONGEST_NUMBER = 10  # digits: a token limit, a date or a time, but no card's number
# `limit`, `LIMIT`, `Limit`, `maxOutputTokens`, `OpenAI`, `URLs`, `gRPC`
_USUAL_CASE = re.compile(r"(?:[A-Z]{0,8}+[a-z]{2,}+)++[A-Z]{0,4}|[A-Z]{1,16}s?|[A-Za-z][a-z]*|[a-z][A-Z]{1,4}|[KMGT]iB")
# `v1beta`, `llama3`, `4o`, `128k`, `1024x1024`, `7m12s`
_USUAL_MIX = re.compile(
    r"[A-Za-z]?[a-z]{0,7}\d{1,3}[a-z]{0,4}|[A-Z]{1,4}\d{1,3}|\d{1,6}[A-Za-z]{1,2}|\d{1,4}x\d{1,4}"
    r"|(?:\d{1,6}(?:ms|[hms])){2,3}|\d{8}T\d{6}Z?"
)


def without_encoded(word: str, is_usual: Callable[[str], bool], mask: str) -> str:
    """Return the word, which has no space, with the mask for what is encoded or a credential in it.

    A part that is usual is plain.
    """
    if _ESCAPED.search(word):
        return mask
    word = _UUID.sub(mask, _CREDENTIAL.sub(mask, word))
    return _RUN.sub(lambda run: mask if _is_encoded(run[0], is_usual) else _without_numbers(run[0], mask), word)


def is_credential(text: str) -> bool:
    """Return whether the text has what keys of known providers begin with."""
    return bool(_CREDENTIAL.search(text))


def _is_encoded(run: str, is_usual: Callable[[str], bool]) -> bool:
    return any(
        not _is_plain(part)
        for word in _WORD.findall(run)
        if not is_usual(word)
        for part in _LETTERS_AND_DIGITS.findall(word)
        if not is_usual(part)
    )


def _is_plain(part: str) -> bool:
    if part.isdecimal():
        return True
    if not part.isalpha():
        return len(part) <= _LONGEST_NUMBER and bool(_USUAL_MIX.fullmatch(part))
    return len(part) <= _LONGEST_WORD and (not part.isascii() or bool(_USUAL_CASE.fullmatch(part)))


def _without_numbers(run: str, mask: str) -> str:
    """The run without numbers that are too long for a limit."""
    return _LETTERS_AND_DIGITS.sub(
        lambda part: mask if part[0].isdecimal() and len(part[0]) > _LONGEST_NUMBER else part[0], run
    )
