"""Likeness of two texts by their letters and words: Levenshtein's distance, BLEU, GLEU and ROUGE-N.

Sources: Levenshtein (1966), by the bit vectors of Hyyrö (2003), after Myers, J. ACM 46 (1999); Papineni et al., ACL
2002 (BLEU); Wu et al., arXiv 1609.08144 (GLEU); Lin, ACL workshop 2004 (ROUGE).
"""

import math
from collections import Counter
from collections.abc import Sequence

from evals.checks.checkable import Checkable
from evals.checks.javascript import code_units, text_of, trim, words
from evals.checks.scores import CaseScore, decided, graded
from evals.checks.treebank import tokens

_LONGEST = 4  # words of an n-gram, of BLEU and GLEU
_UNSEEN = 1e-7  # the precision of n-grams of which none is in a reference
_MOST_CHARACTERS = 100_000  # of a text that distances are measured of


def check_levenshtein(given: Checkable) -> CaseScore:
    """The text becomes the value by `threshold` changes at most (5 by default), each of one letter."""
    edits = distance(given.text, text_of(given.spec.value))
    most = 5.0 if given.spec.threshold is None else given.spec.threshold
    return decided(given.spec, edits <= most, f"{edits} edits from the expected text, at most {most:g}")


def check_bleu(given: Checkable) -> CaseScore:
    """The text is like a reference by BLEU, 0.5 by default."""
    return graded(given.spec, bleu(given.text, _references(given)), 0.5, "BLEU")


def check_gleu(given: Checkable) -> CaseScore:
    """The text is like a reference by GLEU, 0.5 by default."""
    return graded(given.spec, gleu(given.text, _references(given)), 0.5, "GLEU")


def check_rouge(given: Checkable) -> CaseScore:
    """The text shares words with the reference by ROUGE-1's F measure, 0.75 by default."""
    return graded(given.spec, rouge(given.text, text_of(given.spec.value)), 0.75, "ROUGE-1")


def distance(left: str, right: str) -> int:
    """Return Levenshtein's distance in UTF-16 code units, of the first 100,000 of each text.

    A column of the table is two bit vectors, of where it rises and where it falls: one step takes a few operations on
    numbers as long as a text.
    """
    long, short = sorted((code_units(left)[:_MOST_CHARACTERS], code_units(right)[:_MOST_CHARACTERS]), key=len)[::-1]
    if not short:
        return len(long)
    places: dict[str, int] = {}
    for index, letter in enumerate(short):
        places[letter] = places.get(letter, 0) | 1 << index
    every, last = (1 << len(short)) - 1, 1 << len(short) - 1
    rises, falls, edits = every, 0, len(short)
    for letter in long:
        here = places.get(letter, 0)
        diagonal = ((((here & rises) + rises) ^ rises) | here) | falls
        up, down = falls | ~(diagonal | rises) & every, diagonal & rises
        edits += (up & last != 0) - (down & last != 0)
        up, down = (up << 1 | 1) & every, down << 1 & every
        rises, falls = down | ~(diagonal | up) & every, up & diagonal
    return edits


def bleu(text: str, references: Sequence[str]) -> float:
    """Return BLEU (0…1) with equal weights of one to four words, of those lengths that the text has."""
    if not trim(text):
        return 0.0
    candidate, others = _lower_words(text), [_lower_words(reference) for reference in references]
    logs = []
    for n in range(1, min(_LONGEST, len(candidate)) + 1):
        grams = _grams(candidate, n)
        most = max((grams & _grams(other, n)).total() for other in others)
        logs.append(math.log(most / grams.total() or _UNSEEN))
    closest = min((abs(len(other) - len(candidate)), len(other)) for other in others)[1]
    brevity = 1.0 if len(candidate) > closest else math.exp(1 - closest / len(candidate))
    return brevity * math.exp(sum(log / len(logs) for log in logs))


def gleu(text: str, references: Sequence[str]) -> float:
    """Return the best GLEU (0…1) over the references: the lesser of precision and recall of one to four words."""
    candidate = _without_periods(text)
    return max((_gleu(candidate, _without_periods(reference)) for reference in references), default=0.0)


def rouge(text: str, reference: str) -> float:
    """Return ROUGE-1's F measure (0…1) over Treebank tokens in lower case."""
    ours, theirs = (Counter(tokens(side.lower())) for side in (text, reference))
    shared = (ours & theirs).total()
    if not shared:
        return 0.0
    low, high = sorted((shared / ours.total(), shared / theirs.total()))
    return low * (2 / (1 + low / high))


def _gleu(candidate: list[str], reference: list[str]) -> float:
    if not candidate or not reference:
        return 0.0
    if candidate == reference:
        return 1.0
    ours, theirs = (
        sum((_grams(side, n) for n in range(1, _LONGEST + 1)), Counter[tuple[str, ...]]())
        for side in (candidate, reference)
    )
    return (ours & theirs).total() / max(ours.total(), theirs.total())


def _references(given: Checkable) -> list[str]:
    value = given.spec.value
    return [text_of(part) for part in value] if isinstance(value, list) else [text_of(value)]


def _lower_words(text: str) -> list[str]:
    return words(text.lower()) or [""]


def _without_periods(text: str) -> list[str]:
    stripped = [word.rstrip(".") for word in _lower_words(text)]
    return stripped if any(stripped) else []


def _grams(tokens_of_text: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens_of_text[start : start + n]) for start in range(len(tokens_of_text) - n + 1))
