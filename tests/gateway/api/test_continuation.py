"""What the next request may go on from."""

import json
from typing import Any

import pytest

from gateway.api.continuation import Continuation, continuation_of

SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
SEALED = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
OPEN = {"type": "reasoning", "id": "rs_1", "summary": []}
SEARCH = {"type": "web_search_call", "id": "ws_1"}


def last(output: Any, kind: str = "response.completed", **members: Any) -> bytes:
    response = {"id": "resp_1", "output": output, **members}
    return json.dumps({"type": kind, "response": response}).encode()


def items(found: Continuation | None) -> list[Any]:
    assert found is not None and found.name == "resp_1"
    return [json.loads(item) for item in found.items]


def test_items_stay_what_they_are() -> None:
    """Sealed reasoning and what follows it go back as they came, numbers as they were spelled."""
    assert items(continuation_of(last([SEALED, SAID], "response.incomplete"))) == [SEALED, SAID]
    found = continuation_of(last(["n"]).replace(b'"n"', b"1e999"))
    assert found is not None and found.items == ["1e999"]


def test_reasoning_without_its_seal_is_left_out() -> None:
    """So are the ids by which its provider would miss it; what needs its id keeps it."""
    without = {name: value for name, value in SAID.items() if name != "id"}
    assert items(continuation_of(last([OPEN, SAID, SEARCH, "odd"]))) == [without, SEARCH, "odd"]


@pytest.mark.parametrize(
    "event",
    [
        b"{",
        b'{"type": "response.completed", "response": 1}',
        last({}),
        last([], id=1),
        last([], store=True),
        b'{"type": "response.completed", "response": {"id": "resp_1", "output": '
        + b"[" * 50_000
        + b"]" * 50_000
        + b"}}",
    ],
)
def test_nothing_to_go_on_from(event: bytes) -> None:
    """Nonsense, or a response that its provider has stored."""
    assert continuation_of(event) is None
