"""Data URLs in requests and answers of every format."""

import json
import tracemalloc
from collections.abc import Callable

import pytest

from gateway.errors import CallerError
from gateway.formats import dataurl
from gateway.formats.openai_chat._content import read_content as chat
from gateway.formats.openai_responses._content import read as responses

HOSTILE = ["data:" + ";" * 1_000_000, "data:" + ";base64" * 100_000, "data:" + "a" * 1_000_000 + ";base64,AA=="]


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("data:image/png;base64,AA==", ("image/png", "AA==")),
        ("DATA:Image/PNG;name=a.png;BASE64,AA==", ("image/png", "AA==")),
        ("data:;base64,", ("", "")),
        ("data:image/png,AA==", None),
        ("data:image/png;base64", None),
        ("https://example.com/;base64,", None),
    ],
)
def test_parts(url: str, parts: tuple[str, str] | None) -> None:
    """The scheme, the type and the mark of base64 are known in any case; a type may have parameters."""
    assert dataurl.split(url) == parts


def in_chat(url: str) -> object:
    return chat([{"type": "image_url", "image_url": {"url": url}}], "messages")


def file_in_chat(url: str) -> object:
    return chat([{"type": "file", "file": {"file_data": url}}], "messages")


def in_responses(url: str) -> object:
    return responses([{"type": "input_image", "image_url": url}], "input", {})


def file_in_responses(url: str) -> object:
    return responses([{"type": "input_file", "file_data": url}], "input", {})


@pytest.mark.parametrize("read", [in_chat, file_in_chat, in_responses, file_in_responses])
@pytest.mark.parametrize("url", HOSTILE, ids=["marks", "parameters", "type"])
def test_a_head_without_end_is_refused_at_once(read: Callable[[str], object], url: str) -> None:
    """However long the media type and its parameters are, refusing them takes no memory to speak of."""
    tracemalloc.start()
    try:
        with pytest.raises(CallerError, match="data URL in base64"):
            read(url)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_base64_text_is_taken_as_it_is() -> None:
    """A long image takes the memory of its text, once more."""
    url = "data:image/png;base64," + "A" * 1_000_000
    tracemalloc.start()
    try:
        assert json.dumps(in_chat(url) is not None)
        assert tracemalloc.get_traced_memory()[1] < 1_100_000
    finally:
        tracemalloc.stop()
