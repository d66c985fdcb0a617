"""Items of earlier answers that a request names by their ids, as Vercel's AI SDK does by default."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.gateway.api.keys import digest_of
from tests.support.calling import PROVIDERS, Place
from tests.support.running import running, write

Serve = Callable[..., Awaitable[Place]]
SAID = "cheep " * 8
TRANSLATED = [api for api in PROVIDERS if api != "openai-responses"]


async def ask(here: Place, given: Any, key: str = "a-key", url: str = "", **more: Any) -> httpx2.Response:
    """A response by plain HTTP, as that key."""
    body = {"model": here.agent, "input": given, **more}
    bearer = {"authorization": f"Bearer {key}"}
    return await here.http.post(f"{url or here.base_url}/responses", json=body, headers=bearer)


def user(text: str) -> Any:
    return {"role": "user", "content": [{"type": "input_text", "text": text}]}


def second_turn(first: Any) -> list[Any]:
    """The next request's input, with each item of an answer as a reference."""
    references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
    return [user("hello"), *references, user("and then?")]


@pytest.mark.parametrize("api", TRANSLATED)
async def test_a_reference_stands_for_the_item(serve: Serve, api: str) -> None:
    """The provider gets the words of the first answer between both questions."""
    here = await serve(api=api)
    first = (await ask(here, "hello")).json()
    assert (await ask(here, second_turn(first))).status_code == 200
    sent = here.received().raw_body.decode()
    assert sent.index("hello") < sent.index(SAID) < sent.index("and then?") and "item_reference" not in sent


@pytest.mark.parametrize("api", TRANSLATED)
async def test_a_streams_items_are_known_too(serve: Serve, api: str) -> None:
    """A stream's items are known by the ids of its events; OpenAI takes references without a type, too."""
    here = await serve(api=api)
    stream = await here.sdk().responses.create(model=here.agent, input="hello", stream=True)
    done = [event.item.id async for event in stream if event.type == "response.output_item.done"]
    assert done and (await ask(here, [*[{"id": name} for name in done], user("and then?")])).status_code == 200
    assert SAID in here.received().raw_body.decode()


async def test_signed_thoughts_come_back_by_reference(serve: Serve) -> None:
    """The provider gets the signature of the thoughts that it signed."""
    here = await serve(api="anthropic")
    here.standin.behave("good", ModelBehaviour(reasoning_tokens=8))
    first = (await ask(here, "hello", reasoning={"effort": "low"}, max_output_tokens=9000)).json()
    assert [item["type"] for item in first["output"]] == ["reasoning", "message"]
    again = await ask(here, second_turn(first), reasoning={"effort": "low"}, max_output_tokens=9000)
    assert again.status_code == 200 and '"signature"' in here.received().raw_body.decode()


async def test_another_replica_knows_the_items(serve: Serve, redis_url: str) -> None:
    """The second turn comes to another replica, at once."""
    here = await serve(api="anthropic")
    first = (await ask(here, "hello")).json()
    async with running(here.running.folder, redis_url, here.running.environ) as other:
        again = await ask(here, second_turn(first), url=other.base_url)
    assert again.status_code == 200 and SAID in here.received().raw_body.decode()


async def test_what_is_not_known_is_the_clients_to_send(serve: Serve) -> None:
    """A reference that nobody knows, or another caller's, is a 404 before any provider is asked."""
    here = await serve(api="anthropic")
    keys = {name: {"sha256": digest_of(name)} for name in ("one", "two")}
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    write(here.running.folder, {"gateway.yaml": {**settings, "keys": keys}})
    here.running.reload()
    first = (await ask(here, "hello", key="one")).json()
    kept = (await ask(here, "hello", key="one", store=False)).json()
    asked = len(here.standin.requests)
    for key, answer in (("two", first), ("one", kept)):
        refused = await ask(here, second_turn(answer), key=key)
        assert refused.status_code == 404 and refused.json()["error"]["param"] == "input"
        assert "store: false" in refused.json()["error"]["message"]
    assert len(here.standin.requests) == asked


async def test_many_references_are_bounded(serve: Serve) -> None:
    """One item that is named many times is not multiplied beyond the limit of a body."""
    here = await serve(api="anthropic", gateway={"limits": {"body": "200kB"}})
    first = (await ask(here, "hello")).json()
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    refused = await ask(here, [reference] * 2_000)
    assert refused.status_code == 413 and "refers to" in refused.json()["error"]["message"]


@pytest.mark.parametrize("path", ["responses/compact", "responses/input_tokens", "responses"])
async def test_openai_gets_nothing_of_ours(serve: Serve, path: str) -> None:
    """What is asked beside a response takes the same input: items for references, no ids and no seals of ours."""
    here = await serve(api="openai-responses")
    ours = {"type": "message", "id": "msg_serinus_abc_0", "role": "assistant", "status": "completed"}
    said = {**ours, "content": [{"type": "output_text", "text": "x", "annotations": []}]}
    thought = {"type": "reasoning", "id": "rs_serinus_abc_1", "summary": [], "encrypted_content": "serinus:abc"}
    url = f"{here.base_url}/{path}"
    await here.http.post(url, json={"model": here.agent, "input": [user("hi"), said, thought], "new": 1})
    sent = here.received_json()
    assert "serinus" not in json.dumps(sent) and [each["role"] for each in sent["input"]] == ["user", "assistant"]
    assert (sent["model"], sent["new"]) == ("good", 1)
    unknown = {"model": here.agent, "input": [{"type": "item_reference", "id": "msg_serinus_none_0"}]}
    asked = len(here.standin.requests)
    assert (await here.http.post(url, json=unknown)).status_code == 404
    gone = {"model": here.agent, "previous_response_id": "resp_serinus_x", "input": "x"}
    assert (await here.http.post(url, json=gone)).status_code == 404 and len(here.standin.requests) == asked


@pytest.mark.parametrize("path", ["conversations", "conversations/conv_1/items"])
async def test_a_conversations_items(serve: Serve, path: str) -> None:
    """OpenAI stores the items of our answers under ids of its own, and what references stand for."""
    here = await serve(api="openai-responses")
    first = await with_claude(here)
    url, (said,) = f"{here.base_url}/{path}", first["output"]
    thought = {"type": "reasoning", "id": "rs_serinus_abc_1", "summary": [], "encrypted_content": "serinus:abc"}
    asked = len(here.standin.requests)
    for item in (said, {"type": "item_reference", "id": said["id"]}):
        await here.http.post(url, json={"items": [user("hi"), thought, item], "metadata": {"a": "b"}})
        sent = here.received_json()
        assert "serinus" not in json.dumps(sent) and sent["metadata"] == {"a": "b"}
        assert [each["content"][0]["text"] for each in sent["items"]] == ["hi", SAID]
    unknown = {"items": [{"type": "item_reference", "id": "msg_serinus_none_0"}]}
    assert (await here.http.post(url, json=unknown)).status_code == 404
    assert len(here.standin.requests) == asked + 2


async def with_claude(here: Place) -> Any:
    """An answer of Claude's behind an agent's OpenAI account."""
    claude = {"api": "anthropic", "base_url": here.standin.root_url, "api_key": "${PROVIDER_KEY}"}
    settings = json.loads((here.running.folder / "gateway.yaml").read_text())
    settings["providers"]["claude"] = claude
    write(here.running.folder, {"gateway.yaml": {**settings, "models": ["claude/*"]}})
    here.running.reload()
    return (await ask(here, "hello", model="claude/good")).json()


@pytest.mark.parametrize("path", ["responses/compact", "responses/input_tokens"])
async def test_a_reference_beside_a_response(serve: Serve, path: str) -> None:
    """An item that another format's provider wrote goes to OpenAI in the place of its reference."""
    here = await serve(api="openai-responses")
    first = await with_claude(here)
    await here.http.post(f"{here.base_url}/{path}", json={"model": here.agent, "input": second_turn(first)})
    sent = here.received().raw_body.decode()
    assert SAID in sent and "serinus" not in sent and "item_reference" not in sent
