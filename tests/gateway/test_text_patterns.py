"""Operators' patterns: found in linear time, whatever the pattern and whatever the text."""

import asyncio
import sys
from time import process_time

import pytest

from gateway import text_patterns
from gateway.text_patterns import MOST_MATCHES, TextPatterns

CATASTROPHIC = r"(a+)+$|(\w+\s?)*!"


def test_what_matches_is_replaced() -> None:
    """Each pattern, in each text, whatever alphabet stands around."""
    found = TextPatterns([r"ACME-\d{6}", "(?i)project x"]).replace_in(["é ACME-123456 😀 Project X.", "nothing"])
    assert found == (["é [redacted] 😀 [redacted].", "nothing"], 2)


def test_a_catastrophic_pattern_is_linear() -> None:
    """Twice the text takes about twice the time, where a backtracking engine would never end."""

    def seconds(length: int) -> float:
        patterns = TextPatterns([CATASTROPHIC])
        patterns.replace_in(["warm"])
        began = process_time()
        for _ in range(20):
            patterns.replace_in(["a" * length + "?"])
        return process_time() - began

    assert min(seconds(100_000) for _ in range(3)) < 10 * min(seconds(20_000) for _ in range(3)) + 0.05


def test_matches_without_end() -> None:
    """Behind so many nothing is left of the text: nobody has looked through it."""
    ((text,), count) = TextPatterns(["a"]).replace_in(["a" * 5_000 + "secret"])
    assert count == MOST_MATCHES and text.endswith("[redacted: too many matches to look further]")
    assert "secret" not in text


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [(r"(a)\1", "invalid escape sequence"), ("a{1001}", "repetition size"), ("a?", "matches the empty text"),
     ("((a{100}){100}){100}", "repetition"), (r"[[:word:]\pN]{900}", "too large")],
)  # fmt: skip
def test_a_pattern_that_cannot_be_used_says_why(pattern: str, hint: str) -> None:
    """What RE2 does not know, what is too large, and what is everywhere."""
    with pytest.raises(ValueError, match=hint):
        text_patterns.check(pattern)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error is the command that brings it."""
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ValueError, match=r"pip install 'serinus\[redact\]'"):
        text_patterns.check("x")


async def test_the_event_loop_goes_on_meanwhile() -> None:
    """In a thread, whatever a pattern costs over a text that was made for it."""
    ticks = 0
    patterns = TextPatterns(["(a*)*b|a"])
    work = asyncio.create_task(asyncio.to_thread(patterns.replace_in, ["a" * 65_536]))
    while not work.done():
        await asyncio.sleep(0.002)
        ticks += 1
    assert ticks > 5
