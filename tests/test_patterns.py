"""No regular expression of the project can be made slow, or hungry, by the text that it meets."""

import re
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from tests.support.patterns import Pattern, attacks, of_the_project

_LENGTHS = (512, 2_048, 8_192, 32_768)
_MOST_SECONDS = 0.1  # of CPU; a linear pattern takes a millisecond, a quadratic one more than a second
_MOST_BYTES = 16  # for each character of a long text; one that goes back over a group takes 50
_LONG = 4_096
ALL = list(of_the_project())


def seconds(pattern: Pattern, text: str) -> float:
    """The CPU time of one use, of the better of two tries where the first was long."""
    tries: list[float] = []
    while len(tries) < 2 and (not tries or tries[0] > _MOST_SECONDS):
        began = time.process_time()
        pattern.try_on(text)
        tries.append(time.process_time() - began)
    return min(tries)


def slow(pattern: Pattern) -> list[str]:
    """The first attack that succeeds; texts grow, so that a cubic pattern is found without a long wait."""
    for length in _LENGTHS:
        for text in attacks(pattern, length):
            if seconds(pattern, text) > _MOST_SECONDS:
                return [f"{length} of {text[:60]!r}"]
    return []


def test_the_walk_finds_the_patterns() -> None:
    """The walk finds compiled patterns, those given to a function in place, and those behind a name."""
    found = {(pattern.module, pattern.function) for pattern in ALL}
    assert {
        ("gateway.json_body", "match"),
        ("gateway.config.quantities", "fullmatch"),
        ("gateway.logs", "sub"),
    } <= found
    assert len(ALL) > 50


@pytest.mark.parametrize("pattern", ALL, ids=str)
def test_work_grows_with_the_text_alone(pattern: Pattern) -> None:
    """No text makes a pattern of the project work for longer than the text is long."""
    assert not slow(pattern)


@pytest.mark.parametrize("expression", [r"[a-z]+[\w-]*: ", r"_+([a-z])", r"(?:;[^;,]*)*;x;[^;]*,", r"\{.*[:,] *\$"])
def test_slow_patterns_are_found(expression: str) -> None:
    """The attacks make slow what can be made slow."""
    assert slow(Pattern("", 0, "search", re.compile(expression)))


@pytest.mark.parametrize("pattern", ALL, ids=str)
def test_memory_is_the_texts(pattern: Pattern) -> None:
    """No text makes a pattern of the project remember much for each character, in case it has to go back."""
    assert max(peaks(pattern)) < _MOST_BYTES


def peaks(pattern: Pattern) -> Iterator[float]:
    """The most memory that each attack takes, in bytes a character."""
    tracemalloc.start()
    try:
        for text in attacks(pattern, _LONG):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            pattern.compiled.fullmatch(pattern.subject(text))
            yield (tracemalloc.get_traced_memory()[1] - before) / len(text)
    finally:
        tracemalloc.stop()
