"""Anthropic's Messages as the stand-in speaks them, member by member."""

from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour, Standin

from .dialects import ANTHROPIC, HELLO, ORDER, datas, whole
from .raw import request, send

THINKING = ModelBehaviour(chunks=2, prompt_tokens=50, cached_tokens=20, reasoning_tokens=4)
USAGE = {
    "input_tokens": 30,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 20,
    "output_tokens": 6,
    "output_tokens_details": {"thinking_tokens": 4},
}


async def test_a_plain_answer_is_a_message(standin: Standin) -> None:
    """Its id, role, text block, stop reason and usage; the cache's tokens are not among the input's."""
    standin.behave("m", THINKING)
    heard = await ANTHROPIC.post(standin)
    answer = whole(heard)
    assert str(answer.pop("id")).startswith("msg_")
    assert answer.pop("usage") == {
        **USAGE,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
    }
    assert answer == {
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "cheep cheep "}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    assert heard.headers["request-id"].startswith("req_")
    assert heard.headers["anthropic-ratelimit-requests-remaining"] == "999"


async def test_a_stream_names_its_events(standin: Standin) -> None:
    """From message_start to message_stop, a ping among them, each event named as its type; the last usage is whole."""
    standin.behave("m", THINKING)
    heard = await ANTHROPIC.post(standin, stream=True)
    names = [line[7:] for line in heard.chunked[0].decode().split("\n") if line.startswith("event: ")]
    start, *_, delta, _ = events = datas(heard)
    assert names == [event["type"] for event in events]
    assert names == [
        *("message_start", "content_block_start", "ping", "content_block_delta", "content_block_delta"),
        *("content_block_stop", "message_delta", "message_stop"),
    ]
    assert (start["message"]["stop_reason"], start["message"]["usage"]["output_tokens"]) == (None, 1)
    assert (delta["delta"], delta["usage"]) == ({"stop_reason": "end_turn", "stop_sequence": None}, USAGE)


@pytest.mark.parametrize(("display", "text"), [("summarized", "Let me think about it."), ("omitted", "")])
async def test_a_thought_is_shown_to_who_asks(standin: Standin, display: str, text: str) -> None:
    """A signed thinking block comes first, with its text or without."""
    standin.behave("m", THINKING)
    thinking = {"type": "adaptive", "display": display}
    thought, said = whole(await ANTHROPIC.post(standin, thinking=thinking))["content"]
    assert thought == {"type": "thinking", "thinking": text, "signature": "c2VhbGVkIHRob3VnaHQ="}
    assert said["type"] == "text"
    events = datas(await ANTHROPIC.post(standin, stream=True, thinking=thinking))
    deltas = [each["delta"] for each in events if each["type"] == "content_block_delta" and each["index"] == 0]
    assert deltas[-1] == {"type": "signature_delta", "signature": "c2VhbGVkIHRob3VnaHQ="}
    assert "".join(each.get("thinking", "") for each in deltas) == text


async def test_a_tool_call_is_a_block(standin: Standin) -> None:
    """With its input as an object, and the stop reason tool_use."""
    answer = whole(await ANTHROPIC.post(standin, **ANTHROPIC.calling))
    (block,) = answer["content"]
    assert str(block.pop("id")).startswith("toolu_")
    assert (block, answer["stop_reason"]) == ({"type": "tool_use", "name": "lookup", "input": {"id": 0}}, "tool_use")


async def test_a_streamed_tool_call_comes_in_pieces(standin: Standin) -> None:
    """An empty input first, then pieces of JSON that make the arguments, then the block's end."""
    events = datas(await ANTHROPIC.post(standin, stream=True, **ANTHROPIC.calling))
    (begun,) = [each["content_block"] for each in events if each["type"] == "content_block_start"]
    pieces = [each["delta"]["partial_json"] for each in events if each["type"] == "content_block_delta"]
    assert (begun["name"], begun["input"], "".join(pieces)) == ("lookup", {}, '{"id":0}')
    assert [each["type"] for each in events[-3:]] == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"tool_choice": {"type": "tool", "name": "lookup"}}, "tool_use"),
        ({"messages": [{"role": "user", "content": "call lookup"}]}, "tool_use"),
        ({"tool_choice": {"type": "none"}}, "end_turn"),
        ({"messages": [*HELLO, {"role": "user", "content": [{"type": "tool_result", "content": "1"}]}]}, "end_turn"),
        ({"tools": [{"type": "web_search_20250305", "name": "lookup"}]}, "end_turn"),
    ],
)
async def test_tools_are_called_when_they_should(standin: Standin, more: dict[str, Any], reason: str) -> None:
    """By choice or by the user's words; not when forbidden, after a result, or where the provider runs them."""
    tools = [{"name": "lookup", "input_schema": ORDER}]
    assert whole(await ANTHROPIC.post(standin, **{"tools": tools, **more}))["stop_reason"] == reason


async def test_a_schema_is_kept(standin: Standin) -> None:
    """The text is the smallest JSON of the schema in `output_config`."""
    config = {"format": {"type": "json_schema", "schema": ORDER}}
    answer = whole(await ANTHROPIC.post(standin, output_config=config))
    assert answer["content"] == [{"type": "text", "text": '{"id":0}'}]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (403, "permission_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
async def test_errors_have_anthropics_body(standin: Standin, status: int, kind: str) -> None:
    """The type of the status, and the request's id."""
    standin.behave("m", ModelBehaviour(fault_script=("status",), status=status, error_message="no"))
    answer = whole(await ANTHROPIC.post(standin))
    assert str(answer.pop("request_id")).startswith("req_")
    assert answer == {"type": "error", "error": {"type": kind, "message": "no"}}


async def test_an_error_event_is_an_error_event(standin: Standin) -> None:
    """Named `error`, as its clients look at the name alone."""
    standin.behave("m", ModelBehaviour(fault_script=("error_mid_stream",), status=529))
    heard = await ANTHROPIC.post(standin, stream=True)
    assert heard.chunked[0].decode().split("\n\n")[-2].startswith("event: error\ndata: {")
    assert datas(heard)[-1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}


async def test_the_version_header_is_needed(standin: Standin) -> None:
    """As it is at the real API."""
    assert (await ANTHROPIC.post(standin, headers="x-api-key: k\r\n")).status == 400


async def test_tokens_are_counted_for_nothing(standin: Standin) -> None:
    """count_tokens needs no max_tokens and charges none."""
    standin.behave("m", ModelBehaviour(prompt_tokens=7))
    body = {"model": "m", "messages": HELLO}
    heard = await send(standin, request(body, path="/v1/messages/count_tokens", headers=ANTHROPIC.headers))
    assert (whole(heard), standin.counts("m").prompt_tokens) == ({"input_tokens": 7}, 0)
