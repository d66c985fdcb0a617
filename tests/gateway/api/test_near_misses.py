"""Paths that only look like ours: no provider hears of them, and the 404 says which path was meant."""

import json
import string
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.near_misses import meant_by
from tests.support.calling import Place
from tests.support.crowd import ask

Serve = Callable[..., Awaitable[Place]]
CHAT = "/v1/chat/completions"
RESPONSES, MESSAGES, COUNT = "/v1/responses", "/v1/messages", "/v1/messages/count_tokens"
GEMINI = "/v1beta/models/{agent}:generateContent"
SPELLINGS = {
    CHAT: [
        *("/v1/chat/completions/", "/v1//chat/completions", "/v1/chat//completions", "//v1/chat/completions"),
        *("/v1/Chat/Completions", "/V1/chat/completions", "/v1/chat/completions;x", "/v1/chat;v=1/completions"),
        *("/v1/chat/completions%20", "/v1/chat/completions%09", "/v1/chat/completions%00", "/v1/chat%252Fcompletions"),
        *(
            "/v1/chat/completions%3Fx",
            "/v1/chat/completions.",
            "/v1/%EF%BD%83hat/completions",
            "/v1/./chat/completions",
        ),
        *("/v1/v1/chat/completions", "/v1/openai/v1/chat/completions", "/v1/api/chat/completions", "/chat/completions"),
        *("/v1/engines/x/chat/completions", "/engines/x/chat/completions", "/deployments/x/chat/completions"),
        *(
            "/v1/deployments/x/chat/completions",
            "/openai/deployments/x/chat/completions",
            "/openai/v1/chat/completions",
        ),
        *("/v1/chat/completions.json", "/v1/chat/completion", "/v1/beta/chat/completions", "/v1/v2/chat/completions"),
        *("/v1/uploads/chat/completions", "/v1/files/f/chat/completions/x", "/v1/v1.1/chat/completion.json"),
        *("/v1beta/openai/chat/completions", "/v1/chat/completions/chat/completions", "/v1/chat/comp%E2%80%8Bletions"),
    ],
    "/v1/completions": [
        "/v1/completion",
        "/v1/completions.json",
        "/v1/v2/completions",
        "/v1/completions/",
        "/v1/Completions",
        "/v1/engines/x/completions",
        "/v1/v1/completions",
    ],
    "/v1/embeddings": [
        "/v1/embedding",
        "/v1/beta/embeddings",
        "/v1/embeddings/",
        "/v1/EMBEDDINGS",
        "/v1/engines/x/embeddings",
        "/v1/openai/embeddings",
    ],
    RESPONSES: [
        "/v1/response",
        "/v1/responses.json",
        "/v1/v3/responses",
        "/v1/responses/",
        "/v1/Responses",
        "/v1/responses;x",
        "/v1/v1/responses",
        "/openai/v1/responses",
    ],
    MESSAGES: ["/v1/messages/", "/v1/Messages", "/v1/v1/messages", "/messages", "/anthropic/v1/messages"],
    COUNT: ["/v1/messages/count_tokens/", "/v1/messages/Count_Tokens", "/v1/v1/messages/count_tokens"],
    GEMINI: [
        *(
            "/v1/v1beta/models/x:generateContent",
            "/v1/tunedModels/x:generateContent",
            "/v1beta1/models/x:generateContent",
        ),
        *("/v1/projects/p/locations/l/publishers/google/models/x:streamGenerateContent", "/models/x:generateContent"),
    ],
    "/v1/models": ["/v1/v1/models", "/v1/Models", "/models"],
    "/v1/feedback": ["/v1/feedback/", "/v1/Feedback", "/feedback"],
    "/v1/escalations": ["/v1/escalations/", "/v1/Escalations"],
    "/v1/escalations/{call_id}/reply": ["/v1/escalations/x/reply/", "/v1/escalations//x/reply"],
    "/status": ["/status/", "/Status", "/v1/status", "//status"],
    "/healthz": ["/healthz/", "/v1/healthz"],
    "/admin/agents/{agent}/{verb}": ["/admin/agents/x/pause/", "/v1/admin/agents/x/pause"],
    "/v1/files": ["/v1/v1/files", "/v1/openai/files", "/v1/deployments/x/files"],
}
FORMATS = {MESSAGES: "anthropic", COUNT: "anthropic", GEMINI: "gemini", RESPONSES: "openai-responses"}


@pytest.mark.parametrize("right", SPELLINGS)
async def test_no_provider_hears_of_it(serve: Serve, right: str) -> None:
    """404 with the right path in the words of the client's own API, whether it reads or writes."""
    here = await serve()
    body = json.dumps(here.body()).encode()
    for path in SPELLINGS[right]:
        for method in ("POST", "GET"):
            reply = await ask(here.running.url, method, path, body, ("content-type: application/json",))
            error = json.loads(reply.body)
            assert reply.status == 404, (method, path, reply.body)
            assert repr(right) in message(error, FORMATS.get(right, "openai")), (path, error)
    assert not here.standin.requests


@pytest.mark.parametrize(
    ("path", "right"),
    [
        *(("/v1/chat/completions/x", CHAT), ("/v1/chat/completions/x/messages", CHAT), ("/v1/responses/x", RESPONSES)),
        *(("/v1/embeddings/x", "/v1/embeddings"), ("/v1/completions/x", "/v1/completions")),
        *(("/v1/uploads/responses", RESPONSES), ("/v1/files/embeddings", "/v1/embeddings")),
        *(("/v1/responses/x/y", RESPONSES), ("/v1/responses.json/x", RESPONSES)),
    ],
)
async def test_what_would_generate_where_a_path_is_read_in_part(serve: Serve, path: str, right: str) -> None:
    """A server that heeds the beginning or the end of a path alone would answer without the version's prompt."""
    here = await serve()
    reply = await ask(
        here.running.url, "POST", path, json.dumps(here.body()).encode(), ("content-type: application/json",)
    )
    assert reply.status == 404 and repr(right) in json.loads(reply.body)["error"]["message"]
    assert not here.standin.requests


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/v1/chat/completions/x"), ("DELETE", "/v1/chat/completions/x"), ("DELETE", "/v1/responses/x")),
        *(("POST", "/v1/responses/compact"), ("POST", "/v1/responses/input_tokens")),
        *(("POST", "/v1/responses/x/cancel"), ("POST", "/v1/threads/t/messages"), ("POST", "/v1/files")),
    ],
)
def test_what_is_stored(method: str, path: str) -> None:
    """What is stored is read and deleted by its id, and OpenAI's own endpoints below ours stay."""
    assert meant_by(path, method) is None


def message(error: dict[str, Any], client: str) -> str:
    """The message, where that client's API has it."""
    assert {"anthropic": error.get("type") == "error", "gemini": "status" in error["error"]}.get(
        client, "code" in error["error"]
    )
    text: str = error["error"]["message"]
    return text


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/files", "/v1/files/file-1/content", "/v1/threads/t/messages", "/v1/chat/completions/chatcmpl-1"),
        *("/v1/chat/completions/chatcmpl-1/messages", "/v1/responses/resp_1", "/v1/responses/resp_1/input_items"),
        *("/v1/responses/input_tokens", "/v1/audio/speech", "/v1/fine_tuning/jobs/ftjob-1/events", "/v1/batches"),
        *("/v1/vector_stores/vs_1/files", "/v1/containers/c/files/f/content", "/v1/images/edits", "/v1/moderations"),
        *(
            "/v1/rerank",
            "/v1/fine_tuning/checkpoints/ft:gpt-4o:org::1/permissions",
            "/v1/uploads/u/parts",
            "/nothing",
            "/",
        ),
    ],
)
def test_other_endpoints(path: str) -> None:
    """What OpenAI's API has beside ours is left alone."""
    assert meant_by(path) is None


@pytest.mark.parametrize(("path", "key"), [("/v1/messages/batches", "type"), ("/v1beta/corpora", "error")])
async def test_what_is_not_there_in_its_dialect(serve: Serve, path: str, key: str) -> None:
    """Below `/v1/messages` Anthropic's error, below `/v1beta` Google's."""
    here = await serve()
    reply = await ask(here.running.url, "GET", path)
    assert reply.status == 404 and key in json.loads(reply.body)


@given(st.text(st.sampled_from(string.ascii_letters + "/.;%:@é\\ \x00?#{}…20"), max_size=60))
def test_any_path_is_judged(path: str) -> None:
    """Whatever comes, the answer is one of two, and the same for its spelling with a slash behind it."""
    assert meant_by("/v1/" + path) == meant_by("/v1/" + path + "/")
