"""Id and model of an answer, read of the beginning of its stream."""

import json
from typing import Any

import pytest

from gateway.calls import Attempt
from gateway.formats.openai_chat.provider_stream import StreamReader
from gateway.telemetry.answer_names import names_of

NAMES = {"id": "chatcmpl-1", "model": "good-2026-01-01"}
PART = {"choices": [{"index": 0, "delta": {"content": "a"}}]}
LONG = {"choices": [{"index": 0, "delta": {"id": "x", "content": "x" * 9_000}}]}
FILTER = {"choices": [], "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]}


def stream(*events: Any) -> list[bytes]:
    """Events as they are sent."""
    return [b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n" for event in events]


def attempt_of(packets: list[bytes]) -> Attempt:
    """An attempt whose stream came in these packets."""
    reader, attempt = StreamReader(True), Attempt("p/m", 0.0)
    for packet in packets:
        reader.feed(packet)
    reader.name(attempt)
    return attempt


@pytest.mark.parametrize(
    "events",
    [
        stream({**NAMES, **PART}, {**NAMES, **PART}),
        stream({**PART, **NAMES}, {**PART, **NAMES}),  # Azure writes its members in the alphabet's order
        stream(FILTER, {**PART, **NAMES}),
        [b"".join(stream(FILTER, {**PART, **NAMES}, {**PART, **NAMES}))],
        stream({**NAMES, "choices": [{"index": 0, "delta": {"content": '"model":"other"'}}]}),
    ],
)
def test_names_in_a_stream(events: list[bytes]) -> None:
    """They are found in whichever event has them first."""
    assert names_of(attempt_of(events)) == ("chatcmpl-1", "good-2026-01-01")


@pytest.mark.parametrize(
    "events", [stream(PART), stream({**PART, "id": 5, "model": ["x"]}), [b": comment\n\n"], [b"data: {nothing\n\n"], []]
)
def test_no_names(events: list[bytes]) -> None:
    """A stream that has none, or no texts in their place, is no error."""
    assert names_of(attempt_of(events)) == ("", "")


@pytest.mark.parametrize(
    ("members", "found"),
    [({**NAMES, **LONG}, ("chatcmpl-1", "good-2026-01-01")), ({**LONG, **NAMES}, ("", ""))],
)  # fmt: skip
def test_long_first_event(members: dict[str, Any], found: tuple[str, str]) -> None:
    """Two kilobytes are kept at most; ids of what stands in the answer are not taken for its own."""
    attempt = attempt_of(stream(members))
    assert len(attempt.answer_head) <= 2048 and names_of(attempt) == found


def test_long_names() -> None:
    """Names are cut."""
    assert len(names_of(attempt_of(stream({**PART, "id": "i" * 500, "model": "m" * 500})))[1]) == 128
