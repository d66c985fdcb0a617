"""A search in windows finds what one search of all of it finds, and lets others go on meanwhile."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.contents import windows
from gateway.contents.windows import LONGEST_MATCH, substitute

PATTERN = re.compile(r"(?<!a)b{1,3}c|aa|d")


def plain(text: str) -> tuple[str, int]:
    """Return the same by one search; a `d` stays."""
    kept = sum(found[0] == "d" for found in PATTERN.finditer(text))
    replaced, count = PATTERN.subn(lambda found: found[0] if found[0] == "d" else "<>", text)
    return replaced, count - kept


@given(st.text("abcd", max_size=120))
def test_as_one_search(text: str) -> None:
    """Wherever the windows end."""
    before = windows._WINDOW
    windows._WINDOW = 5
    try:
        found = asyncio.run(substitute(PATTERN, lambda found: None if found[0] == "d" else "<>", text))
    finally:
        windows._WINDOW = before
    assert found == plain(text)


@pytest.mark.parametrize("at", [16_380, 16_384, 20_000, 40_000])
async def test_a_match_over_the_end_of_a_window(at: int) -> None:
    """As long as a match may be."""
    text = "-" * at + "b" * LONGEST_MATCH + "-" * 50_000
    found, count = await substitute(re.compile(f"b{{1,{LONGEST_MATCH}}}"), lambda _: "!", text)
    assert count == 1 and found == "-" * at + "!" + "-" * 50_000


async def test_others_go_on_meanwhile() -> None:
    """After each window."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(tick())
    await substitute(PATTERN, lambda _: "<>", "-" * 200_000)
    other.cancel()
    assert ticks >= 10
