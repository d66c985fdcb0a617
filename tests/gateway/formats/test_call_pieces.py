"""Function calls that come in pieces, as servers cut them: late names, missing numbers, no arguments."""

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.calls import FormatName
from gateway.errors import ProviderError
from gateway.formats.answer import Event, ToolBegin, ToolDelta
from gateway.formats.openai_chat.client_stream import ChatWriter
from gateway.formats.openai_chat.provider_stream import ChatParser, StreamReader
from gateway.formats.prompt import Prompt
from gateway.formats.protocol import Envelope
from gateway.formats.registry import PROVIDERS

Piece = dict[str, Any]
WHOLE = ('{"city":"A"}', '{"city":"B"}')


def function(arguments: str | None = None, name: str = "", **more: Any) -> Piece:
    named = {"name": name} if name else {}
    return {**more, "function": named if arguments is None else {**named, "arguments": arguments}}


def chunks(pieces: Iterable[Piece]) -> list[bytes]:
    deltas: list[Piece] = [{"tool_calls": [piece]} for piece in pieces]
    choices: list[Piece] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    return [json.dumps({"id": "r", "choices": [each]}).encode() for each in choices]


def calls(events: Iterable[Event]) -> list[tuple[str, str]]:
    """Name and arguments of each call that these events tell of."""
    events = list(events)
    begun = [event for event in events if isinstance(event, ToolBegin)]
    pieces = [event for event in events if isinstance(event, ToolDelta)]
    return [(each.name, "".join(p.arguments for p in pieces if p.index == each.index)) for each in begun]


def followed(pieces: Iterable[Piece]) -> list[Event]:
    parser = ChatParser()
    return [event for each in chunks(pieces) for event in parser.take("", each)] + [*parser.end()]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([function('{"ci', index=0, id="a"), function('ty":"A"}', "f", index=0)], [("f", WHOLE[0])]),
        ([function(None, index=0, id="a"), function(WHOLE[0], index=0), function(None, "f", index=0)],
         [("f", WHOLE[0])]),
        ([function(WHOLE[0], "f"), function(WHOLE[1], "f")], [("f", WHOLE[0]), ("f", WHOLE[1])]),
        ([function(WHOLE[0], "f", index=0), function(WHOLE[1], "g", index=0)], [("f", WHOLE[0]), ("g", WHOLE[1])]),
        ([function('{"ci', "f"), function('ty":"A"}', "f")], [("f", WHOLE[0])]),
        ([function(WHOLE[0], "f", id="a"), function("", "f", id="a")], [("f", WHOLE[0])]),
        ([function(WHOLE[0], "f", id="a"), function(WHOLE[1], "f", id="b")], [("f", WHOLE[0]), ("f", WHOLE[1])]),
    ],
)  # fmt: skip
def test_pieces_become_calls(pieces: list[Piece], expected: list[tuple[str, str]]) -> None:
    """A call begins with its name, wherever that comes, and a name behind whole arguments begins another."""
    assert calls(followed(pieces)) == expected
    reader = StreamReader(False)
    reader.feed(b"".join(b"data: " + each + b"\n\n" for each in chunks(pieces)))
    reader.end()
    assert reader.failure is None


@pytest.mark.parametrize("next_piece", [[], [function("{}", "f", index=0, id="b")]])
def test_a_name_that_never_comes(next_piece: list[Piece]) -> None:
    """Such a call cannot be handed on."""
    with pytest.raises(ProviderError) as caught:
        followed([function("{}", index=0, id="a"), *next_piece])
    assert caught.value.kind == "malformed"


def test_arguments_without_end_are_refused() -> None:
    """Pieces that are held for a name are bounded."""
    with pytest.raises(ProviderError) as caught:
        followed(function("x" * 1024, index=0, id="a") for _ in range(1025))
    assert caught.value.kind == "malformed"


def test_a_name_that_every_piece_repeats() -> None:
    """The same name behind arguments that are not whole goes on with the call."""
    pieces = [function('"' if at in (0, 4999) else "x", "f", index=0) for at in range(5000)]
    found = calls(followed(pieces))
    assert found == [("f", '"' + "x" * 4998 + '"')]


cuts = st.lists(st.integers(0, 12), max_size=4)


@given(cuts, cuts, st.booleans(), st.booleans(), st.integers(0, 2))
def test_however_two_calls_are_cut(first: list[int], second: list[int], ids: bool, numbers: bool, late: int) -> None:
    """Two calls are the same two, however they are cut, and whether or not they have ids and numbers."""
    pieces: list[Piece] = []
    for call, (text, places) in enumerate(zip(WHOLE, (first, second), strict=True)):
        marks = [0, *sorted(places), len(text)]
        own = [function(text[a:b]) for a, b in pairwise(marks)]
        more = ({"id": f"id{call}"} if ids else {}) | ({"index": call} if numbers else {})
        own[0] |= more
        at = min(late, len(own) - 1) if numbers else 0
        own[at]["function"]["name"] = f"f{call}"
        pieces += [{**each, "index": call} if numbers else each for each in own]
    assert calls(followed(pieces)) == [("f0", WHOLE[0]), ("f1", WHOLE[1])]


def _bedrock() -> list[tuple[str, bytes]]:
    start = {"contentBlockIndex": 0, "start": {"toolUse": {"name": "f", "toolUseId": "a"}}}
    return [("contentBlockStart", json.dumps(start).encode()), ("messageStop", b'{"stopReason":"tool_use"}')]


def _responses() -> list[tuple[str, bytes]]:
    item = {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""}
    kinds = ("response.output_item.added", "response.output_item.done")
    items = [{"type": kind, "output_index": 0, "item": item} for kind in kinds]
    end = {"type": "response.completed", "response": {"status": "completed", "output": [item]}}
    return [("", json.dumps(each).encode()) for each in (*items, end)]


def _anthropic() -> list[tuple[str, bytes]]:
    block = {"type": "tool_use", "id": "a", "name": "f"}
    events = [{"type": "content_block_start", "index": 0, "content_block": block},
              {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}, {"type": "message_stop"}]  # fmt: skip
    return [("", json.dumps(each).encode()) for each in events]


def _gemini() -> list[tuple[str, bytes]]:
    candidate = {"content": {"parts": [{"functionCall": {"name": "f"}}]}, "finishReason": "STOP"}
    return [("", json.dumps({"candidates": [candidate]}).encode())]


def _interactions() -> list[tuple[str, bytes]]:
    step = {"type": "function_call", "id": "a", "name": "f", "arguments": {}}
    events = [{"event_type": "step.start", "index": 0, "step": step}, {"event_type": "step.stop", "index": 0},
              {"event_type": "interaction.completed", "interaction": {"status": "requires_action"}}]  # fmt: skip
    return [("", json.dumps(each).encode()) for each in events]


def _chat() -> list[tuple[str, bytes]]:
    return [("", each) for each in chunks([function("", "f", index=0, id="a")])]


BARE = {"bedrock": _bedrock(), "openai-responses": _responses(), "anthropic": _anthropic(),
        "gemini": _gemini(), "gemini-interactions": _interactions(), "openai": _chat()}  # fmt: skip


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_call_without_arguments_is_json_to_clients_of_chat_completions(name: FormatName) -> None:
    """Whatever a provider says for no arguments, a client that parses the pieces gets an object."""
    parser, writer = PROVIDERS[name].parser(), ChatWriter(Envelope("c", "m", 0, Prompt(())))
    events = [event for kind, data in BARE[name] for event in parser.take(kind, data)] + [*parser.end()]
    out = b"".join([writer.write(event) for event in events])
    texts = [line.removeprefix(b"data: ") for line in out.split(b"\n\n") if line and b"[DONE]" not in line]
    deltas = [json.loads(text)["choices"][0]["delta"] for text in texts]
    pieces = [piece["function"]["arguments"] for delta in deltas for piece in delta.get("tool_calls", ())]
    assert "".join(pieces) == "{}"


def test_a_name_of_responses_that_comes_late() -> None:
    """A call whose item is named only when it is whole begins then, with all its arguments."""
    nameless = {"type": "function_call", "call_id": "a", "name": ""}
    whole = {**nameless, "name": "f", "arguments": WHOLE[0]}
    said: list[Piece] = [
        {"type": "response.output_item.added", "item": nameless},
        {"type": "response.function_call_arguments.delta", "delta": '{"ci'},
        {"type": "response.function_call_arguments.done", "arguments": WHOLE[0]},
        {"type": "response.output_item.done", "item": whole},
        {"type": "response.completed", "response": {"status": "completed", "output": [whole]}},
    ]
    parser = PROVIDERS["openai-responses"].parser()
    events = [event for each in said for event in parser.take("", json.dumps({**each, "output_index": 0}).encode())]
    assert calls(events) == [("f", WHOLE[0])]
