"""Checks of the answer's text: what it contains, begins with, equals and matches, and how many words it has."""

from collections.abc import Callable, Mapping, Sequence

from pydantic import JsonValue

from evals.checks.checkable import Checkable
from evals.checks.expressions import SECONDS, SearchTooLong, is_found
from evals.checks.javascript import code_units, equal, number_of, parse_json, text_of, trim, words
from evals.checks.scores import CaseScore, decided, not_decided

_SHOWN = 80


class BadList(ValueError):
    """A list of words, separated by commas, with a quotation mark out of place."""


def check_equals(given: Checkable) -> CaseScore:
    """The text is the value; of an object or a list, the text's JSON is."""
    value = given.spec.value
    if value is None or isinstance(value, list | dict):
        try:
            holds = equal(value, parse_json(given.text))
        except ValueError:
            return decided(given.spec, False, "the answer is no JSON")
        return decided(given.spec, holds, f"the answer is {'' if holds else 'not '}the expected JSON")
    expected = text_of(value)
    return decided(given.spec, given.text == expected, f"expected {shown(expected)}, got {shown(given.text)}")


def check_contains(given: Checkable) -> CaseScore:
    """The text contains the value."""
    return _holds_words(given, [text_of(given.spec.value)], all, str)


def check_icontains(given: Checkable) -> CaseScore:
    """The text contains the value in upper or lower case."""
    return _holds_words(given, [text_of(given.spec.value)], all, str.lower)


def check_contains_any(given: Checkable) -> CaseScore:
    """The text contains one of the words."""
    return _holds_words(given, word_list(given.spec.value), any, str)


def check_icontains_any(given: Checkable) -> CaseScore:
    """The text contains one of the words in upper or lower case."""
    return _holds_words(given, word_list(given.spec.value), any, str.lower)


def check_contains_all(given: Checkable) -> CaseScore:
    """The text contains all words."""
    return _holds_words(given, word_list(given.spec.value), all, str)


def check_icontains_all(given: Checkable) -> CaseScore:
    """The text contains all words in upper or lower case."""
    return _holds_words(given, word_list(given.spec.value), all, str.lower)


def check_starts_with(given: Checkable) -> CaseScore:
    """The text begins with the value."""
    value = text_of(given.spec.value)
    holds = given.text.startswith(value)
    return decided(given.spec, holds, f"the answer begins with {shown(given.text)}, expected {shown(value)}")


def check_regex(given: Checkable, seconds: float = SECONDS) -> CaseScore:
    """The expression matches somewhere in the text."""
    pattern = text_of(given.spec.value)
    try:
        holds = is_found(pattern, given.text, seconds=seconds)
    except SearchTooLong as error:
        return not_decided(str(error))
    return decided(given.spec, holds, f"{shown(pattern)} {'matches' if holds else 'matches nothing in'} the answer")


def check_word_count(given: Checkable) -> CaseScore:
    """The text has so many words, exactly or between `min` and `max`."""
    value, count = given.spec.value, len(words(given.text))
    if isinstance(value, Mapping):
        least, most = (_bound(value.get(name)) for name in ("min", "max"))
        holds = (least is None or count >= least) and (most is None or count <= most)
    else:
        holds = count == number_of(text_of(value))
    return decided(given.spec, holds, f"the answer has {count} words")


def word_list(value: JsonValue) -> list[str]:
    """Return the words of a list, or of a text with commas between them. Raises BadList.

    A word in quotation marks may hold commas; `\\\\"` and `""` in it are a quotation mark.
    """
    if not isinstance(value, str):
        return [text_of(word) for word in value] if isinstance(value, Sequence) else []
    found: list[str] = []
    rest = value
    while rest := _behind_commas(rest):
        word, rest = _quoted_word(rest) if rest[0] == '"' else _plain_word(rest)
        found.append(word)
    return found


def shown(text: str) -> str:
    """Return the text for a reason: in quotation marks, cut to a readable length."""
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")


def _holds_words(
    given: Checkable, wanted: Sequence[str], enough: Callable[[list[bool]], bool], fold: Callable[[str], str]
) -> CaseScore:
    text = code_units(fold(given.text))
    there = [code_units(fold(word)) in text for word in wanted]
    missing = [word for word, is_there in zip(wanted, there, strict=True) if not is_there]
    found = [word for word, is_there in zip(wanted, there, strict=True) if is_there]
    named = shown(", ".join(missing or found))
    return decided(given.spec, enough(there), f"the answer {'lacks' if missing else 'contains'} {named}")


def _behind_commas(text: str) -> str:
    while (stripped := trim(text)).startswith(","):
        text = stripped[1:]
    return stripped


def _plain_word(text: str) -> tuple[str, str]:
    word, _, rest = text.partition(",")
    return trim(word), rest


def _quoted_word(text: str) -> tuple[str, str]:
    word, index = "", 1
    while index < len(text):
        if text[index : index + 2] in ('\\"', "\\\\", '""'):
            word, index = word + text[index + 1], index + 2
        elif text[index] == '"':
            rest = trim(text[index + 1 :])
            if rest and not rest.startswith(","):
                raise BadList("a comma is missing behind a word in quotation marks")
            return word, rest
        else:
            word, index = word + text[index], index + 1
    raise BadList("a quotation mark is not closed")


def _bound(value: JsonValue) -> float | None:
    return None if value is None else number_of(text_of(value))
