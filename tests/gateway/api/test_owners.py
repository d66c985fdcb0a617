"""A response by its id, and a turn that goes on from one, reach the account that has it: whose it is nobody says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import openai
import pytest

from gateway.calls import Caller
from gateway.errors import NotFound
from gateway.passthrough.makers import Makers
from gateway.passthrough.response_owner import ResponseOwners, answer_in
from gateway.rehearsal.standin import ModelBehaviour, Standin
from routing.chain import Target
from tests.gateway.api.passed import logged, once
from tests.gateway.api.shared_account import key_of, sharing
from tests.support.calling import PROVIDER_KEY, Place, failing, standing_in
from tests.support.running import write

Serve = Callable[..., Awaitable[Place]]
KEYS = {"one": ["first"], "two": ["second"], "none": []}  # which agents each key may call


class Accounts:
    """Two accounts behind one gateway: agent `first` is served by the one, `second` by the other, and `both` by the
    one with the other as its fallback."""

    def __init__(self, here: Place, one: Standin, two: Standin) -> None:
        self.here, self.one, self.two = here, one, two

    async def made(self, agent: str, **more: Any) -> str:
        """The id of a new response of that agent."""
        return str((await self.here.sdk().responses.create(model=self.name(agent), input="hi", **more)).id)

    def name(self, agent: str) -> str:
        """The agent's name, which no other test uses."""
        return f"{agent}-{self.here.agent}"

    def asked(self) -> tuple[int, int]:
        return len(self.one.requests), len(self.two.requests)


@asynccontextmanager
async def accounts(serve: Serve, keys: Any = None, **both: Any) -> AsyncIterator[Accounts]:
    here = await serve()
    async with AsyncExitStack() as stack:
        standins = [Standin(api_key=PROVIDER_KEY), Standin(api_key=PROVIDER_KEY)]
        for each in standins:
            await each.start()
            stack.push_async_callback(each.stop)
        providers = {
            name: {"api": "openai-responses", "base_url": each.base_url, "api_key": "${PROVIDER_KEY}"}
            for name, each in zip(("one", "two"), standins, strict=True)
        }
        chat = {"api": "openai", "base_url": standins[0].base_url, "api_key": "${PROVIDER_KEY}"}
        secrets = {key: key_of(key, [f"{name}-{here.agent}" for name in names]) for key, names in (keys or {}).items()}
        agents: dict[str, Any] = {"first": {"stable": "v1"}, "second": {"stable": "v1"}}
        agents["both"] = {"stable": "v1", "fallback": ["two/good"], **both}
        write(
            here.running.folder,
            {
                "gateway.yaml": {
                    "providers": {**providers, "standin": chat}, "keys": secrets, "retries": {"per_target": 0},
                    "escalation": {"desk": True},
                },
                "routing.yaml": {"agents": {f"{name}-{here.agent}": entry for name, entry in agents.items()}},
                f"agents/first-{here.agent}/v1.yaml": {"model": "one/good"},
                f"agents/second-{here.agent}/v1.yaml": {"model": "two/good"},
                f"agents/both-{here.agent}/v1.yaml": {"model": "one/good"},
            },
        )  # fmt: skip
        here.running.reload()
        yield Accounts(here, *standins)


async def test_a_response_by_its_id(serve: Serve) -> None:
    """Retrieved, its input listed, refused to be cancelled and deleted where it is, without a word on whose it is."""
    async with accounts(serve) as there:
        responses = there.here.sdk().responses
        for agent in ("first", "second"):
            made = await there.made(agent)
            assert (await responses.retrieve(made)).id == made
            listed = [item async for item in await responses.input_items.list(made)]
            assert [item.type for item in listed] == ["message"]
            with pytest.raises(openai.BadRequestError, match="Cannot cancel"):
                await responses.cancel(made)
            await responses.delete(made)
            with pytest.raises(openai.NotFoundError) as caught:
                await responses.retrieve(made)
            assert caught.value.param == "id"


async def test_a_background_response_is_cancelled(serve: Serve) -> None:
    """At its owner, though another account is asked first."""
    async with accounts(serve) as there:
        there.two.behave("good", ModelBehaviour(latency_seconds=60))
        made = await there.made("second", background=True)
        cancelled = await there.here.sdk().responses.cancel(made)
        assert (cancelled.id, cancelled.status) == (made, "cancelled")


async def test_who_was_found_is_asked_first(serve: Serve) -> None:
    """A response that is asked for again and again costs one request each time."""
    async with accounts(serve) as there:
        made = await there.made("second")
        before = there.asked()
        for _ in range(3):
            await there.here.sdk().responses.retrieve(made)
        assert tuple(after - then for after, then in zip(there.asked(), before, strict=True)) == (1, 3)


async def test_an_account_that_is_down(serve: Serve) -> None:
    """What the others have is found all the same; what nobody has may be there, so the failure is told, and no 404."""
    async with accounts(serve) as there:
        made = await there.made("second")
        await there.one.stop()
        assert (await there.here.sdk().responses.retrieve(made)).id == made
        with pytest.raises(openai.APIStatusError) as caught:
            await there.here.sdk().responses.retrieve("resp_nobodys")
        assert caught.value.status_code == 502


async def test_an_agent_in_the_query(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """All of its providers may have the response, and no others are asked; each of them is in the books."""
    async with accounts(serve) as there:
        made, http, url = await there.made("second"), there.here.http, there.here.base_url
        await logged(capfd)
        found = await http.get(f"{url}/responses/{made}?model={there.name('both')}")
        assert (found.status_code, found.headers["x-serinus-target"]) == (200, "two/good")
        assert found.headers["x-serinus-attempts"] == "2"
        line = await logged(capfd)
        assert line["attempts"] == [["one/good", 404, "status"], ["two/good", 200, None]] and not line["failed"]
        before = there.asked()
        assert (await http.get(f"{url}/responses/{made}?model={there.name('first')}")).status_code == 404
        assert there.asked()[1] == before[1]


async def test_a_key_reaches_its_own_agents_responses(serve: Serve) -> None:
    """A key for some agents is asked for at their providers alone, named or not; elsewhere there is nothing for it."""
    async with accounts(serve, KEYS) as there:
        client = there.here.sdk().with_options(api_key="two")
        made = (await client.responses.create(model=there.name("second"), input="hi")).id
        assert (await client.responses.retrieve(made)).id == made
        before = there.asked()
        with pytest.raises(openai.NotFoundError):
            await there.here.sdk().with_options(api_key="one").responses.retrieve(made)
        with pytest.raises(openai.PermissionDeniedError):
            await (
                there.here.sdk()
                .with_options(api_key="one")
                .responses.retrieve("resp_unknown", extra_query={"model": there.name("second")})
            )
        with pytest.raises(openai.BadRequestError, match="limited to some agents"):
            await there.here.sdk().with_options(api_key="none").responses.retrieve("resp_unknown")
        assert there.asked()[1] == before[1]


async def test_a_turn_goes_on_where_the_last_one_is(serve: Serve) -> None:
    """The target of the chain that has the response serves the call; who does not have it has not failed."""
    async with accounts(serve) as there:
        first = await there.made("second")
        answer = await there.here.http.post(
            f"{there.here.base_url}/responses",
            json={"model": there.name("both"), "input": "go on", "previous_response_id": first},
        )
        assert (answer.status_code, answer.headers["x-serinus-target"]) == (200, "two/good")
        stream = await there.here.sdk().responses.create(
            model=there.name("both"), input="go on", previous_response_id=answer.json()["id"], stream=True
        )
        assert [event.type async for event in stream][-1] == "response.completed"
        status = await there.here.running.gateway.services.status.agents([there.name("both")])
        assert status[there.name("both")].versions["v1"].errors == 0


async def test_a_turn_that_nobody_can_serve(serve: Serve) -> None:
    """Unknown everywhere: the provider's own 400, and no person is bothered with a client's mistake."""
    async with accounts(serve, fallback=["two/good", "standin/good", "human"]) as there:
        with pytest.raises(openai.BadRequestError) as caught:
            await there.made("both", previous_response_id="resp_nobodys")
        assert caught.value.code == "previous_response_not_found"


async def test_a_turn_whose_owner_is_down(serve: Serve) -> None:
    """That is what the client is told, not that its conversation is unknown at the next provider."""
    async with accounts(serve) as there:
        first = await there.made("both")
        there.one.behave("good", failing("status"))
        with pytest.raises(openai.InternalServerError) as caught:
            await there.made("both", previous_response_id=first)
        assert caught.value.status_code >= 500


def test_hints_are_few() -> None:
    """The oldest goes; a hint puts one target first and adds none."""
    owners, targets = ResponseOwners(2), [Target("a", ""), Target("b", "")]
    for name in ("r1", "r2", "r3"):
        owners.learn(name, "b")
    assert owners.first("r3", targets) == targets[::-1]
    assert owners.first("r1", targets) == targets
    owners.learn("r3", "c")
    assert owners.first("r3", targets) == targets


@pytest.mark.parametrize(
    ("path", "response"),
    [
        *(("/responses/resp_1", "resp_1"), ("/responses/resp_1/cancel", "resp_1")),
        *(("/responses/input_tokens", None), ("/responses/compact", None), ("/files/a", None), ("/responses", None)),
    ],
)
def test_paths(path: str, response: str | None) -> None:
    """An id stands behind `/responses/`, where no endpoint's name does."""
    assert answer_in(path, "/responses") == response and answer_in(path, "") is None


async def test_two_at_once(serve: Serve) -> None:
    """Nothing is shared between those who look."""
    async with accounts(serve) as there:
        made = [await there.made(agent) for agent in ("first", "second") * 3]
        found = await asyncio.gather(*(there.here.sdk().responses.retrieve(each) for each in made))
        assert [each.id for each in found] == made


def test_long_ids_are_not_remembered() -> None:
    """An id that no provider gives out is looked for anew each time, and takes no room."""
    owners, targets = ResponseOwners(2), [Target("a", ""), Target("b", "")]
    owners.learn("r" * 10_000, "b")
    assert owners.first("r" * 10_000, targets) == targets


FORM: dict[str, Any] = {"files": {"file": ("a.jsonl", b"x")}, "data": {"purpose": "batch"}}


async def test_what_another_key_made(serve: Serve) -> None:
    """Keys for some agents that share an account do not reach each other's files; a key for all agents does."""
    async with sharing(serve) as ask:
        here = ask.here  # type: ignore[attr-defined]
        made = (await ask("a", "POST", "/files", **FORM)).json()["id"]
        asked = len(here.standin.requests)
        near = [f"/{made}%20", f"/{made};x", f"/{made}.", f"/{made.upper()}", f"/{made}%3Fx"]
        for path in (f"/{made}", f"/{made}/content", f"/{made.replace('-', '%2D')}", *near):
            for method in ("GET", "DELETE"):
                assert (await ask("b", method, f"/files{path}")).status_code == 404
        for member in (made, [made]):
            assert (await ask("b", "POST", "/vector_stores/v/files", json={"file_id": member})).status_code == 404
        assert len(here.standin.requests) == asked
        assert [(await ask(key, "GET", f"/files/{made}")).status_code for key in ("a", "all")] == [200, 200]
        unknown = (await ask("b", "GET", "/files/never-seen")).json()["error"]["message"]
        assert unknown != "there is no 'never-seen' of this key's"
        assert (await ask("a", "DELETE", f"/files/{made}")).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_a_thread_of_another_key(serve: Serve, stream: bool) -> None:
    """Anthropic keeps a thread's messages: only its maker, and a key for all agents, go on from one."""
    async with sharing(serve, api="anthropic") as ask:
        here = ask.here  # type: ignore[attr-defined]
        body = {"model": here.agent, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        begun = await ask("a", "POST", "/messages", json={**body, "thread": {"type": "create"}})
        made = begun.text.partition('"id":"')[2].partition('"')[0]
        asked = len(here.standin.requests)
        further = {**body, "thread": {"type": "continue", "previous_message_id": made}}
        refused = await ask("b", "POST", "/messages", json=further)
        assert (refused.status_code, len(here.standin.requests)) == (404, asked), begun.text
        for key in ("a", "all"):
            assert (await ask(key, "POST", "/messages", json=further)).headers["x-serinus-attempts"] == "1"


@pytest.mark.parametrize(
    "text", ["files/x-1", "files/x-1/", "projects/1/files/X-1//", "https://x/v1beta/files/x-1/?a=b", "files/x-1:get/#"]
)
def test_an_id_within_a_name(text: str) -> None:
    """A name or a URL that holds another caller's id is refused, whatever stands behind the id."""
    makers = Makers()
    makers.learn_id("x-1", Caller("a", "", frozenset()))
    for value in (text, {"cachedContent": text}):
        with pytest.raises(NotFound):
            makers.check_call(b'"fileId"', {"of": value}, Caller("b", "", frozenset()))


async def test_an_id_of_another_key_anywhere_in_a_request(serve: Serve) -> None:
    """Deep in a body, in the query, or in a call's own parts: 404, and no provider hears of it."""
    async with sharing(serve) as ask:
        here = ask.here  # type: ignore[attr-defined]
        made = (await ask("a", "POST", "/files", **FORM)).json()["id"]
        asked = len(here.standin.requests)
        part = [{"type": "file", "file": {"file_id": made}}]
        chat = {"model": here.agent, "messages": [{"role": "user", "content": part}]}
        escaped = json.dumps(chat).replace("file_id", "file\\u005fid").replace(made, f"\\u{ord(made[0]):04x}{made[1:]}")
        read = {"role": "user", "content": [{"type": "input_file", "file_id": made}]}
        claude = {"type": "document", "source": {"type": "file", "file_id": made}}
        stored = {"files": [{"file_id": made, "attributes": {"a": "b"}}]}
        replies = [
            await ask("b", "POST", "/vector_stores/v/file_batches", json=stored),
            await ask("b", "GET", f"/files?after={made}"),
            await ask("b", "POST", "/chat/completions", json=chat),
            await ask("b", "POST", "/chat/completions", content=escaped, headers={"content-type": "application/json"}),
            await ask("b", "POST", "/responses", json={"model": here.agent, "input": [read]}),
            await ask(
                "b", "POST", "/messages", json=chat | {"max_tokens": 9, "messages": [{**read, "content": [claude]}]}
            ),
        ]
        assert [each.status_code for each in replies] == [404] * 6
        assert len(here.standin.requests) == asked
        assert (await ask("a", "POST", "/chat/completions", json=chat)).status_code != 404


@pytest.mark.parametrize("path", ["/files/file-VICTIM/x", "/files/FILE-victim/x", "/x?id=file%2DVICTIM", "/x"])
async def test_an_answer_that_repeats_an_id_makes_nobody_its_maker(serve: Serve, path: str) -> None:
    """Whoever names what is there already, as after a restart, does not lock out the key that made it."""
    async with sharing(serve) as ask:
        said = b'{"id":"file-VICTIM"}'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(said)
        async with standing_in(ask.here, once(head + said)):  # type: ignore[attr-defined]
            where = f"/files{path}" if path.startswith("/x") else path
            taken = await ask("b", "POST", where, json={"a": [{"b": "file-VICTIM"}]} if path == "/x" else {})
            assert (taken.status_code, taken.json()["id"]) == (200, "file-VICTIM")
            assert (await ask("a", "GET", "/files/file-VICTIM")).status_code == 200


async def test_bytes_that_may_name_what_is_stored(serve: Serve) -> None:
    """A key for some agents sends what is no JSON and no form to files and uploads alone; the rest can be read."""
    async with sharing(serve) as ask:
        sent = {"content": b'{"file_id":"file-VICTIM"}', "headers": {"content-type": "text/plain"}}
        assert (await ask("b", "POST", "/vector_stores/v/files", **sent)).status_code == 415
        assert (await ask("b", "POST", "/uploads/u/parts", **sent)).status_code != 415
        assert (await ask("all", "POST", "/vector_stores/v/files", **sent)).status_code != 415


def test_makers_are_bounded() -> None:
    """What is no small JSON object with an id is passed over; the oldest are forgotten, and the first maker stays."""
    makers, one, two = Makers(most=2), Caller("one", "", frozenset()), Caller("two", "", frozenset())
    for answer in (b"", b"[]", b"{", b'{"id":7}', b'{"id":""}', b'{"id":"%b"}' % (b"x" * 300), b'{"id":"a"}'):
        makers.learn(answer, one)
    makers.learn(b'{"id":"a"}', two)
    with pytest.raises(NotFound):
        makers.check(["files", "a"], two)
    for made in (b'{"id":"b"}', b'{"id":"c"}'):
        makers.learn(made, one)
    makers.check(["files", "a"], two)
