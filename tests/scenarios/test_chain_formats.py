"""A fallback chain whose targets speak different wire formats, under every way in which a provider fails.

A **crossing** is a client, the version's own provider and the next target, of three formats where there are three.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from gateway.formats.prompt import FormatName
from gateway.rehearsal.standin import ModelBehaviour
from gateway.rollout.status_view import VersionView
from tests.support.crossing import Agent, Crossing, charged, crossing, events
from tests.support.dialects import DIALECTS

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHEEPS = "cheep " * 8
BACKUP = "tweet " * 8
AN_ERROR, NOT_JUDGED = (1, 0), (0, 1)  # errors and unjudged calls of a version


class Route(NamedTuple):
    """Who asks, who is to answer, who answers when the first does not."""

    client: FormatName
    first: FormatName
    second: FormatName

    def __str__(self) -> str:
        return "+".join(self)


ROUTES = [
    Route("gemini", "openai", "anthropic"),
    Route("openai", "anthropic", "gemini"),
    Route("anthropic", "gemini", "openai-responses"),
    Route("openai-responses", "openai-responses", "openai"),
    Route("gemini-interactions", "gemini-interactions", "anthropic"),
]


def failing(fault: str, **more: Any) -> ModelBehaviour:
    """Ends every call in that fault; where it is in the middle of a stream, before the first piece of the answer."""
    return ModelBehaviour.model_validate({"error_rate": 1, "fault": fault, "fault_after_chunks": 0, **more})


# The ways in which a provider fails while nothing of its answer is with the client. Nobody listens for "refused".
FAILURES: Mapping[str, ModelBehaviour] = {
    "refused": ModelBehaviour(),
    "reset": failing("reset"),
    "reset after the headers": failing("reset_mid_stream"),
    "hang": failing("hang"),
    "500": failing("status", status=500),
    "503": failing("status", status=503),
    "429": failing("rate_limit"),
    "error in a 200": failing("error_in_200"),
    "malformed": failing("bad_json"),
    "truncated": failing("truncate"),
    "empty": failing("empty_choices"),
    "html": failing("html"),
}
# And those in which it fails in the middle of a stream.
BREAKS: Mapping[str, ModelBehaviour] = {
    name: failing(fault, fault_after_chunks=2, chunk_seconds=0.02)
    for name, fault in {
        "reset": "reset_mid_stream",
        "hang": "hang_mid_stream",
        "error": "error_mid_stream",
        "malformed": "bad_json",
        "truncated": "truncate",
        "clean cut": "clean_cut",
    }.items()
}
# An answer without content is one in these formats: their models may end a turn so, after a function's result.
MAY_BE_EMPTY = ("anthropic", "gemini-interactions", "openai-responses")
CALLS = [
    pytest.param(way, route, stream, id=f"{way}-{route}-{'stream' if stream else 'json'}")
    for way, route, stream in product(FAILURES, ROUTES, (False, True))
    if way != "empty" or route.first not in MAY_BE_EMPTY
]
# The status of a failure that nobody made good, where it is not 502.
STATUSES = {"500": 500, "503": 503, "429": 429, "hang": 504}
TELL_THEIR_STATUS = ("gemini", "gemini-interactions", "openai-responses")  # also of an error in a 200
# What ends a broken stream, as each format's clients know it: the last event's own type, or its members.
ENDS: Mapping[FormatName, Any] = {
    "openai": lambda event: event.keys() == {"error"} and event["error"].keys() >= {"message", "type", "param", "code"},
    "openai-responses": lambda event: event["type"] == "error",
    "anthropic": lambda event: event["type"] == "error" and event["error"].keys() >= {"type", "message"},
    "gemini-interactions": lambda event: (
        event["event_type"] == "error" and event["error"].keys() >= {"code", "message"}
    ),
    "gemini": lambda event: event.keys() == {"error"} and event["error"].keys() >= {"code", "message", "status"},
}
# What only a whole stream has.
WHOLE: Mapping[FormatName, bytes] = {
    "openai": b"[DONE]",
    "openai-responses": b"response.completed",
    "anthropic": b"message_stop",
    "gemini": b"finishReason",
    "gemini-interactions": b"[DONE]",
}


class Blamed(NamedTuple):
    """How a provider tells that the limit of tokens, or a message, is not to its liking."""

    provider: FormatName
    limit: dict[str, str]
    messages: dict[str, str]


BLAMED = [
    Blamed("openai", {"error_param": "max_completion_tokens"}, {"error_param": "messages"}),
    Blamed("openai-responses", {"error_param": "max_output_tokens"}, {"error_param": "input[0]"}),
    Blamed("anthropic", {"error_message": "max_tokens: 50 < 99"}, {"error_message": "messages.0.content: no"}),
]


def named(kind: str, way: str, route: Route, stream: bool) -> str:
    """The agent of one test."""
    return f"{kind}-{way}-{route.first}-{'stream' if stream else 'json'}".replace(" ", "-")


def agents() -> Iterator[Agent]:
    """One for every test of this file."""
    for way, route, stream in product(FAILURES, ROUTES, (False, True)):
        name = named("fails", way, route, stream)
        yield Agent(name, route.first, route.second, nowhere=way == "refused")
        yield Agent(f"{name}-alone", route.first, nowhere=way == "refused")
    for way, route in product(BREAKS, ROUTES):
        yield Agent(named("breaks", way, route, True), route.first, route.second)
    for route in ROUTES:
        yield Agent(f"bad-arguments-{route.first}", route.first, route.second)
    for blamed in BLAMED:
        yield Agent(f"blames-{blamed.provider}", blamed.provider, "gemini", version={"max_tokens": 50})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Crossing]:
    """A gateway with all of them."""
    async with crossing(tmp_path_factory.mktemp("chains"), redis_url, agents()) as served:
        yield served


def behave(here: Crossing, agent: str, behaviour: ModelBehaviour) -> None:
    """The first provider fails, the next target's would answer in words of its own."""
    here.behave(agent, behaviour)
    here.behave(f"{agent}-backup", ModelBehaviour(chunk_text="tweet "))


@pytest.mark.parametrize(("way", "route", "stream"), CALLS)
async def test_answer_from_another_format(here: Crossing, way: str, route: Route, stream: bool) -> None:
    """The next target's answer comes in the client's format; the error is the version's; nothing is billed twice."""
    agent, dialect = named("fails", way, route, stream), DIALECTS[route.client]
    behave(here, agent, FAILURES[way])
    answer = await here.call(route.client, agent, dialect.ask(agent, "hello", stream), stream)
    assert answer.status_code == 200, answer.text
    said = dialect.streamed(events(answer.content)) if stream else dialect.whole(answer.json())
    assert said.text == BACKUP
    assert answer.headers["x-serinus-attempts"] == "2"
    books = await here.books(agent)
    assert (books.errors, books.unjudged) == (NOT_JUDGED if way == "429" else AN_ERROR)
    assert_paid_once(here, agent, books)


@pytest.mark.parametrize(("way", "route", "stream"), CALLS)
async def test_nobody_else(here: Crossing, way: str, route: Route, stream: bool) -> None:
    """Without another target the client gets an error with a real status, in its own format."""
    agent, dialect = named("fails", way, route, stream) + "-alone", DIALECTS[route.client]
    here.behave(agent, FAILURES[way])
    answer = await here.call(route.client, agent, dialect.ask(agent, "hello", stream), stream)
    told = way == "error in a 200" and route.first in TELL_THEIR_STATUS
    assert answer.status_code == (500 if told else STATUSES.get(way, 502))
    assert answer.headers["content-type"] == "application/json"
    assert dialect.told(answer.json())
    books = await here.books(agent)
    assert (books.errors, books.unjudged) == (NOT_JUDGED if way == "429" else AN_ERROR)


@pytest.mark.parametrize("route", ROUTES, ids=str)
async def test_arguments_that_are_not_json(here: Crossing, route: Route) -> None:
    """A whole answer whose call cannot be read is made good by the next target, in every format."""
    agent, dialect = f"bad-arguments-{route.first}", DIALECTS[route.client]
    behave(here, agent, failing("bad_tool_arguments"))
    answer = await here.call(route.client, agent, dialect.ask(agent, "hello", False), False)
    assert (answer.status_code, dialect.whole(answer.json()).text) == (200, BACKUP)
    assert (await here.books(agent)).errors == 1


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("route", [route for route in ROUTES if route.first in MAY_BE_EMPTY], ids=str)
async def test_answer_that_says_nothing(here: Crossing, route: Route, stream: bool) -> None:
    """Where a format allows for an answer without content it is the answer, and no error of the version."""
    agent, dialect = named("fails", "empty", route, stream), DIALECTS[route.client]
    behave(here, agent, FAILURES["empty"])
    answer = await here.call(route.client, agent, dialect.ask(agent, "hello", stream), stream)
    said = dialect.streamed(events(answer.content)) if stream else dialect.whole(answer.json())
    assert (answer.status_code, said.text, said.calls) == (200, "", [])
    books = await here.books(agent)
    assert (books.errors, books.fallbacks) == (0, 0)


@pytest.mark.parametrize("route", ROUTES, ids=str)
@pytest.mark.parametrize("way", BREAKS)
async def test_broken_stream(here: Crossing, way: str, route: Route) -> None:
    """Once the client has a piece no other target is asked: an error event of its format, and the connection ends."""
    agent = named("breaks", way, route, True)
    behave(here, agent, BREAKS[way])
    asked = DIALECTS[route.client].ask(agent, "hello", True)
    body = await here.until_broken(route.client, agent, asked)
    assert b"cheep " in body and WHOLE[route.client] not in body
    assert ENDS[route.client](events(body)[-1])
    assert here.standin.counts(f"{agent}-backup").requests == 0
    books = await here.books(agent)
    assert (books.errors, books.fallbacks) == (1, 0)
    assert_paid_once(here, agent, books)


@pytest.mark.parametrize("blamed", BLAMED, ids=lambda each: each.provider)
async def test_error_about_a_parameter_of_the_version(here: Crossing, blamed: Blamed) -> None:
    """A 400 about what the version set is its error, however the format names it, and the next target may do better."""
    agent, dialect = f"blames-{blamed.provider}", DIALECTS["openai"]
    asked = dialect.ask(agent, "hello", False)
    behave(here, agent, failing("status", status=400, **blamed.messages))
    assert (await here.call("openai", agent, asked, False)).status_code == 400
    assert (await here.books(agent)).errors == 0
    behave(here, agent, failing("status", status=400, **blamed.limit))
    answer = await here.call("openai", agent, asked, False)
    assert (answer.status_code, dialect.whole(answer.json()).text) == (200, BACKUP)
    assert (await here.books(agent, requests=2)).errors == 1


def assert_paid_once(here: Crossing, agent: str, books: VersionView) -> None:
    """Each provider was asked once, or twice where a kept connection was reset; the books hold what the answer cost, at
    most what all charged and a lost prompt."""
    first, second = here.standin.counts(agent), here.standin.counts(f"{agent}-backup")
    repeated = first.faults.get("reset", 0) > 1  # once more on a fresh connection
    assert first.requests <= 1 + repeated and second.requests <= 1
    assert books.cost_usd is not None
    unread = first.cancelled + first.faults.get(
        "bad_json", 0
    )  # prompts that ran out of time, or were answered in no words
    estimated = unread * 2 * charged(replace(second, completion_tokens=0))
    assert charged(second) - 1e-9 <= books.cost_usd <= charged(first) + estimated + charged(second) + 1e-9
