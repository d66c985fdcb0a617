"""Words and punctuation marks as the Penn Treebank separates them. Source: MacIntyre, `tokenizer.sed` (1995)."""

import re
import unicodedata

from evals.checks.javascript import SPACES

_BLANKS = re.compile(f"[{SPACES}\x85]+")
_QUOTES = re.compile(r"``|''|\"")
_BEFORE_QUOTES = (
    (re.compile(r"\.{3}"), " ... "),
    (re.compile(r"[:,](?!\d)"), r" \g<0> "),
    (re.compile(r"[;@#$%&]"), r" \g<0> "),
    (re.compile(r"([^.])(?<!\b[A-Za-z]\.[A-Za-z])(\.)([\])}>'\s]*)$"), r"\1 \2\3 "),
    (re.compile(r"[?!]"), r" \g<0> "),
    (re.compile(r"[\]\[(){}<>]"), r" \g<0> "),
    (re.compile(r"--"), " -- "),
)
_ENDINGS = (
    (re.compile(r"([^'])' "), r"\1 ' "),
    (re.compile(r"'([sSmMdD]) "), r" '\1 "),
    (re.compile(r"('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) "), r" \1 "),
)
_CONTRACTIONS = (
    re.compile(r"(?<!\w)(can)(not)(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)(d)('ye)(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)(gim)(me)(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)(gon)(na)(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)(got)(ta)(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)(lem)(me)(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)(more)('n)(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)(wan)(na)(?!\w)(?= )", re.IGNORECASE),
    re.compile(r"(?<!\w)('t)(is)(?!\w)", re.IGNORECASE),
    re.compile(r"(?<!\w)('t)(was)(?!\w)", re.IGNORECASE),
)


def tokens(text: str) -> list[str]:
    """Return the text's words and punctuation marks; none for an empty text."""
    text = _BLANKS.sub(" ", text).strip(" ")
    if not text:
        return []
    text = _with_typed_quotes(text)
    for pattern, replacement in _BEFORE_QUOTES:
        text = pattern.sub(replacement, text)
    text = f" {text} "
    for pattern, replacement in _ENDINGS:
        text = pattern.sub(replacement, text)
    for pattern in _CONTRACTIONS:
        text = pattern.sub(r" \1 \2 ", text)
    return text.split()


def _with_typed_quotes(text: str) -> str:
    """Return the text with each quotation mark as an opening or a closing one, and apart from the words."""
    parts: list[str] = []
    end, is_open = 0, False
    for found in _QUOTES.finditer(text):
        start = found.start()
        opens = found[0] == "``" or (not is_open and _opens(text, start, found.end()))
        is_open = opens
        parts += [text[end:start], " `` " if opens else " '' "]
        end = found.end()
    return "".join([*parts, text[end:]])


def _opens(text: str, start: int, end: int) -> bool:
    """Return whether a quotation mark opens, by what stands before it; one at the end closes.

    Two apostrophes open only if they stand before a word, and two more follow.
    """
    before, behind = text[start - 1] if start else " ", text[end : end + 1]
    kind = unicodedata.category(before)
    if before in ".!?" or not (before in " <" or kind.startswith("P")):
        return False
    if not behind and start and before not in " <" and kind != "Ps":
        return False
    if text[start:end] == '"':
        return True
    following = _QUOTES.search(text, end)
    is_word = bool(behind) and unicodedata.category(behind)[0] in "LN"
    return start > 0 and is_word and following is not None and following[0] == "''"
