"""How much a JSON text holds is known before it is decoded."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.formats.provider_json import are_json
from gateway.json_body import Document, TooManyValues
from gateway.json_size import ANSWER_FACTOR, CONTAINER, MOST_VALUES, holds_more

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('a",:[{\\é\n')),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('a":{\\')), inner),
)
UNITS = [b"[]", b"{}", b'{"a":0}', b"[0]", b'"ab"', b"0", b"1.5", b'{"a":{"a":[0]}}', b'"\\\\"', b'["\\"[,"]']


def weight(value: Any) -> int:
    """What a value counts: commas, colons, and `CONTAINER` for each array and object."""
    if isinstance(value, dict):
        return CONTAINER + len(value) + max(len(value) - 1, 0) + sum(map(weight, value.values()))
    if isinstance(value, list):
        return CONTAINER + max(len(value) - 1, 0) + sum(map(weight, value))
    return 0


@given(JSON)
def test_the_count_is_exact(value: Any) -> None:
    """Strings count for nothing, whatever stands in them; every container, comma and colon outside counts."""
    text = json.dumps([value, *["[]"] * 9], separators=(",", ":")).encode()
    whole = weight([value, *["[]"] * 9])
    assert holds_more(text, whole - 1)
    if text.count(b",") + text.count(b"[") + text.count(b"{") <= 4 * whole:
        assert not holds_more(text, whole)


@pytest.mark.parametrize("shift", range(3))
@pytest.mark.parametrize("run", [65_534, 65_535, 65_536, 131_071])
def test_escapes_are_read_across_blocks(shift: int, run: int) -> None:
    """A run of escapes that ends a block leaves no quote misread, wherever it is cut."""
    value = ["x" * shift + '\\"' * run + ",[" * 2_000, *[[]] * 200]
    text = json.dumps(value, separators=(",", ":")).encode()
    assert not holds_more(text, weight(value))
    assert holds_more(text, weight(value) - 1)


@pytest.mark.parametrize("unit", UNITS)
def test_many_values_are_refused_undecoded(unit: bytes) -> None:
    """A body that would take many times its size is refused, and that takes next to no memory."""
    body = b'{"model":"a","x":[' + b",".join([unit] * 110_000) + b"]}"
    tracemalloc.start()
    try:
        with pytest.raises(TooManyValues, match="100000 values"):
            Document.parse(body, 100_000)
        assert tracemalloc.get_traced_memory()[1] < 6_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("unit", UNITS)
def test_what_is_decoded_takes_a_bounded_amount(unit: bytes) -> None:
    """A body that just passes takes 120 bytes for each value that may be in it, and its own text twice."""
    most = 20_000
    head, tail = b'{"x":[', b"]}"
    each = 1 + weight(json.loads(unit))
    body = head + b",".join([unit] * ((most - 2 * CONTAINER - 1) // each)) + tail
    tracemalloc.start()
    try:
        Document.parse(body, most)
        assert tracemalloc.get_traced_memory()[1] < 120 * most + 2 * len(body)
    finally:
        tracemalloc.stop()


def turns(count: int) -> list[dict[str, Any]]:
    """An agent's history: each turn calls a tool, whose result is JSON in a string."""
    result = json.dumps({"rows": [{"id": n, "name": "x", "tags": ["a", "b"]} for n in range(3)]})
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "look_up", "arguments": '{"order": 1, "all": [1, 2]}'},
    }
    return [
        turn
        for _ in range(count // 2)
        for turn in (
            {"role": "assistant", "content": None, "tool_calls": [call, call]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": result}]},
        )
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"messages": turns(3_000)},
        {"messages": turns(20_000)},
        {"input": [[n] * 1_000 for n in range(300)]},
        {"messages": [{"role": "user", "content": "Say, [so] {to}: \"yes\". " * 1_300_000}]},
        {"messages": [{"role": "user", "content": json.dumps(turns(20_000))}]},
    ],
    ids=["3,000 turns", "20,000 turns", "300,000 tokens", "32 MB of prose", "JSON in a string"],
)  # fmt: skip
def test_real_requests_pass(value: dict[str, Any]) -> None:
    """Long histories, many tokens to embed, and long texts are far from the limit."""
    assert not holds_more(json.dumps({"model": "a", **value}).encode(), MOST_VALUES)


def test_answers_may_hold_more() -> None:
    """16,000 tokens with 20 alternatives each pass."""
    top = b'{"token":"a","logprob":-1.5,"bytes":[97,98,99]}'
    token = b'{"token":"a","logprob":-1.5,"bytes":[97,98,99],"top_logprobs":[' + b",".join([top] * 20) + b"]}"
    text = b'{"choices":[{"logprobs":{"content":[' + b",".join([token] * 16_000) + b"]}}]}"
    assert holds_more(text, MOST_VALUES) and not holds_more(text, ANSWER_FACTOR * MOST_VALUES)


def test_strings_that_will_be_decoded_are_bounded_too() -> None:
    """Arguments of tool calls are JSON in a string: what stands in strings has a limit of its own."""
    body = json.dumps({"messages": [{"tool_calls": [{"function": {"arguments": "[],[]," * 1_100_000}}]}]}).encode()
    with pytest.raises(TooManyValues):
        Document.parse(body)


def test_arguments_without_end_are_not_decoded() -> None:
    """A whole answer's tool-call arguments are as long as a stream's may be."""
    assert are_json("[" + "0," * 1_000 + "0]")
    assert not are_json("[" + "0," * 1_000_000 + "0]")


def test_a_text_of_quotes_alone_is_given_up() -> None:
    """What has more strings than it could hold values is no JSON, and is not counted to its end."""
    assert holds_more(b'""' * 200_000 + b":" * 1_000, 100)


def test_the_limit_of_a_body_is_the_one_told() -> None:
    """30 MB of empty arrays, which would take 700 MB, are over the limit that holds where none is configured."""
    with pytest.raises(TooManyValues, match="more than 1000000 values"):
        Document.parse(b'{"x":[' + b"[]," * 10_000_000 + b"[]]}")
