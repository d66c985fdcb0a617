import json
from typing import Any

import pytest

from gateway.calls import Usage
from gateway.errors import ProviderError
from gateway.formats.answer import Reply
from gateway.formats.openai_responses.provider import PROVIDER
from gateway.formats.prompt import Reasoning, Refusal, Text, ToolCall
from tests.gateway.formats.openai_responses.recordings import recorded


def reply(**members: Any) -> Reply:
    return PROVIDER.reply(json.dumps({"output": [], **members}).encode())


def failed(**members: Any) -> ProviderError:
    with pytest.raises(ProviderError) as error:
        reply(**members)
    return error.value


def test_a_text_is_read_with_its_usage() -> None:
    """The answer's words, id, model and what it cost."""
    answer = PROVIDER.reply(recorded("answer.json"))
    assert (answer.parts, answer.stop) == ((Text("Hello there 🐤"),), "stop")
    assert answer.usage == Usage(input=36, cached=5, output=87)
    assert answer.id == "resp_67cb71b351908190a308f3859487620d06981a8637e6bc44"
    assert answer.model == "gpt-4o-2024-08-06"


def test_reasoning_and_parallel_calls_are_read() -> None:
    """Reasoning keeps what OpenAI wants back, calls keep their ids and arguments."""
    answer = PROVIDER.reply(recorded("answer_tools.json"))
    thought, *calls = answer.parts
    assert isinstance(thought, Reasoning)
    assert (thought.encrypted, thought.signed_by) == ("gAAAAABofA==", "openai-responses")
    assert thought.text.endswith("cities.\n\nCall twice.")
    assert calls == [
        ToolCall("call_unLAR8MvFNptuiZK6K6HCy5k", "get_weather", '{"city":"Paris"}'),
        ToolCall("call_GLhWBuKdzMNL6wOpc0RWXQTQ", "get_weather", '{"city":"Zürich"}'),
    ]
    assert (answer.stop, answer.usage) == ("tool_calls", Usage(91, 64, 60, 32))


def test_refusals_and_limits_are_told_apart() -> None:
    """The status and what the answer holds say why it ended."""
    assert PROVIDER.reply(recorded("incomplete.json")).stop == "length"
    refused = PROVIDER.reply(recorded("refused.json"))
    assert (refused.parts, refused.stop) == ((Refusal("I'm sorry, I cannot help with that."),), "refusal")
    assert reply(status="incomplete", incomplete_details={"reason": "content_filter"}).stop == "content_filter"
    assert reply(status="queued").stop == "pause"


def test_tokens_put_into_the_cache_are_counted() -> None:
    """Both kinds of cached tokens are part of the input, and nonsense counts for nothing."""
    details = {"cached_tokens": 3, "cache_write_tokens": 4}
    assert reply(usage={"input_tokens": 10, "input_tokens_details": details}).usage == Usage(10, 3, cache_written=4)
    assert reply(usage={"input_tokens": "x", "input_tokens_details": [], "output_tokens": 1e300}).usage == Usage()


def test_log_probabilities_keep_their_shape() -> None:
    """They are the same here as in chat completions."""
    logprobs = [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]
    part = {"type": "output_text", "text": "a", "annotations": [], "logprobs": logprobs}
    assert reply(output=[{"type": "message", "content": [part]}]).parts == (Text("a", logprobs=logprobs),)


def test_items_of_tools_at_the_provider_are_passed_over() -> None:
    """What came of them stands in the message after them."""
    message = {"type": "message", "content": [{"type": "output_text", "text": "a"}, 3, {"type": "new"}]}
    assert reply(output=[{"type": "web_search_call", "id": "ws"}, None, message]).parts == (Text("a"),)


def test_a_failed_response_is_an_error() -> None:
    """HTTP 200 or not: it is an error in place of an answer, under the status that its code stands for."""
    with pytest.raises(ProviderError, match="Rate limit") as error:
        PROVIDER.reply(recorded("failed.json"))
    assert (error.value.kind, error.value.status, error.value.upstream_status) == ("error_in_answer", 429, 200)
    assert json.loads(error.value.body or b"")["error"]["code"] == "rate_limit_exceeded"
    assert failed(error={"code": "invalid_image_url", "message": "m"}).status == 400
    assert failed(error={"code": "server_error", "message": "m"}).status == 500
    assert failed(status="cancelled").message == "the response was cancelled"


def test_an_error_about_our_key_is_not_shown() -> None:
    """It may quote the key."""
    error = failed(error={"code": "invalid_api_key", "message": "Incorrect API key provided: sk-..."})
    assert (error.body, error.message) == (None, "the provider refused the gateway's credentials")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'{"output":{}}', b"\xff", b"<html>"])
def test_what_is_no_response_is_malformed(body: bytes) -> None:
    """Whatever a provider sends, it is a provider's error."""
    with pytest.raises(ProviderError) as error:
        PROVIDER.reply(body)
    assert error.value.kind == "malformed"


def test_errors_keep_their_status_and_words() -> None:
    """An error body is OpenAI's own and may be seen, but for 401 and 403."""
    error = PROVIDER.error(400, (), recorded("error.json"))
    assert (error.status, error.param, error.message) == (400, "input", "Missing required parameter: 'input'.")
    assert error.body == recorded("error.json")
    assert PROVIDER.error(401, (), recorded("error.json")).body is None
