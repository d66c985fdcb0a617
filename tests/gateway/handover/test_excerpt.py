"""What is kept of a conversation: its latest messages, within bounds that no caller moves."""

import json
import sys
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.handover.excerpt import excerpt

HELLO = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "Größe \ud83d"}]


def test_what_fits_stays_as_it_is() -> None:
    """Half characters and all."""
    text, left_out = excerpt(HELLO, 1000)
    assert (json.loads(text), left_out) == (HELLO, 0) and text.isascii()


def test_the_latest_messages_stay() -> None:
    """A person is to see how it ended."""
    messages = [{"role": "user", "content": f"{number} " + "word " * 50} for number in range(1000)]
    text, left_out = excerpt(messages, 5000)
    kept = json.loads(text)
    assert kept[-1] == messages[-1] and len(kept) + left_out == 1000 and 10 <= len(kept) < 25


@pytest.mark.parametrize("data", ["data:image/png;base64," + "A" * 9_000_000, "QUJD" * 2_000_000])
def test_pictures_are_named_only(data: str) -> None:
    """Nobody reads base64; the words around it stay."""
    content = [{"type": "image_url", "image_url": {"url": data}}, {"type": "text", "text": "what is this?"}]
    text, _ = excerpt([{"role": "user", "content": content}], 32_000)
    assert len(text) < 500 and "what is this?" in text and f"({len(data) - 64} characters left out)" in text


HOSTILE: dict[str, Any] = {
    "long": "wort " * 4_000_000,
    "wide": "\U0001f600" * 4_000_000,
    "many": [{"type": "text", "text": "x"}] * 300_000,
    "names": {f"{number}" * 100: number for number in range(100_000)},
    "deep": json.loads("[" * 500 + "]" * 500),
    "name": {"x" * 10_000_000: 1},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_the_work_is_bounded(kind: str) -> None:
    """However large the message is: memory and steps go by what is kept."""
    messages, steps = [{"role": "user", "content": HOSTILE[kind]}], [0]
    tracemalloc.start()
    sys.setprofile(lambda *_: steps.__setitem__(0, steps[0] + 1))
    text, _ = excerpt(messages, 32_000)
    sys.setprofile(None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(text) < 100_000 and peak < 2_000_000 and steps[0] < 100_000
    json.loads(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(messages=st.lists(JSON, max_size=20), most=st.integers(0, 2000))
def test_whatever_the_messages_are(messages: list[Any], most: int) -> None:
    """JSON comes out, near the bound, and nothing is left out without a word."""
    text, left_out = excerpt(messages, most)
    assert len(json.loads(text)) + left_out == len(messages)
