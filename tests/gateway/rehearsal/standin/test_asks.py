"""Reading a request never fails in any other way than by a refusal."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from gateway.rehearsal.standin.answers import say
from gateway.rehearsal.standin.asks import StandinRefusal
from gateway.rehearsal.standin.behaviour import ModelBehaviour
from gateway.rehearsal.standin.chat import completion, read_ask, stream

NAMES = ("role", "content", "function", "name", "parameters", "type", "text", "include_usage", "json_schema", "schema")
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from(["user", "call f", "f", "tool", "json_schema", "text"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=15,
)
FIELDS = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": st.lists(ANY, min_size=1, max_size=3)},
    optional={name: ANY for name in ("stream", "stream_options", "tools", "tool_choice", "response_format")},
)
TOOLS = st.lists(st.fixed_dictionaries({"function": st.fixed_dictionaries({"name": st.just("f"), "parameters": ANY})}))


@given(st.binary())
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Bytes that are no request are the caller's mistake, never ours."""
    try:
        read_ask(body)
    except StandinRefusal as refusal:
        assert refusal.status == 400


@given(FIELDS, TOOLS)
def test_any_fields_are_answered_or_refused(fields: dict[str, object], tools: list[object]) -> None:
    """Odd values in known fields never break an answer, plain or streamed."""
    try:
        ask = read_ask(orjson.dumps({"tools": tools} | fields))
    except StandinRefusal:
        return
    said = say(ask, ModelBehaviour(tool_calls=True), "1", 0.0)
    assert orjson.loads(completion(ask, said))["choices"]
    assert stream(ask, said).closing.endswith(b"data: [DONE]\n\n")
