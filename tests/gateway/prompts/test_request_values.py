"""Values in requests: any JSON and any header are values or a refusal, which shows none of them."""

import json
import sys
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import CallerError
from gateway.json_body import Document
from gateway.prompts.inputs import checked
from gateway.prompts.request_values import MOST_DEEP, MOST_PARTS, InvalidValues, values_in
from routing.agents import InputType, PromptInput

SECRET = "Zanzibar"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(SECRET),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "type", "text"]), below),
    max_leaves=12,
)
INPUTS = st.dictionaries(
    st.sampled_from(["a", "b"]),
    st.builds(
        PromptInput,
        st.sampled_from(["string", "number", "boolean", "array", "object"]),
        st.none(),
        st.sampled_from([(), ('"x"', "1")]),
        st.none() | st.just('"x"'),
        st.booleans(),
    ),
)


def document(**members: Any) -> Document:
    return Document.parse(json.dumps(members).encode())


@given(JSON, JSON, JSON, INPUTS)
def test_any_values(first: Any, second: Any, variables: Any, inputs: dict[str, PromptInput]) -> None:
    """Whatever a client sends is read, or refused with an error that holds nothing of it."""
    try:
        body = document(inputs=first, prompt_variables=second)
    except CallerError:  # no JSON: not a number
        return
    header = urlsafe_b64encode(json.dumps(first).encode())
    try:
        found = checked(inputs, values_in(body, variables, header))
    except CallerError as error:
        assert SECRET not in f"{error.message}{error.param}"
        assert error.status == 400 and error.__cause__ is None and error.__context__ is None
        return
    assert found.keys() <= inputs.keys()


@given(st.binary(max_size=60))
def test_any_header(header: bytes) -> None:
    """A header is a JSON object in base64url, or a 400."""
    try:
        values_in(document(), None, header)
    except InvalidValues as error:
        assert error.__context__ is None


@pytest.mark.parametrize("shape", ["flat", "deep", "wide"])
def test_a_million_items(shape: str) -> None:
    """A million items are refused after a look at some thousand of them."""
    made: Any = {
        "flat": [1] * 1_000_000,
        "deep": json.loads("[" * 400 + "]" * 400),
        "wide": [[1] * 1000] * 1000,
    }[shape]
    steps = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal steps
        steps += event == "call"

    body = Document({"inputs": {"a": made}}, {"inputs": "{}"})
    sys.setprofile(count)
    try:
        with pytest.raises(InvalidValues):
            values_in(body, None, None)
    finally:
        sys.setprofile(None)
    assert steps < 4 * MOST_PARTS + MOST_DEEP


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [
        ("string", "1", 1), ("number", 1.5, True), ("number", 0, "1"), ("boolean", False, 0), ("array", [], {}),
        ("object", {}, []),
    ],
)  # fmt: skip
def test_types(kind: InputType, good: Any, wrong: Any) -> None:
    """A value is of its declared type, and is not converted: a boolean is no number."""
    inputs = {"a": PromptInput(kind)}
    assert checked(inputs, {"a": good, "b": wrong}) == {"a": good}
    with pytest.raises(CallerError, match=r"'a' must be an? "):
        checked(inputs, {"a": wrong})
