"""Plain models and aliases: what a client may name beside agents, at every door."""

import asyncio
import itertools
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import openai
import pytest

from gateway.rehearsal.standin import ModelBehaviour
from routing.models import MODELS
from tests.gateway.api.doors import DOORS
from tests.gateway.api.keys import digest_of
from tests.gateway.api.passed import logged
from tests.support.calling import HELLO, PROVIDERS, SOON, Place, eventually
from tests.support.websockets import socket

Serve = Callable[..., Awaitable[Place]]
SAID = "cheep " * 8
NOT_FOUND = ("invalid_request_error", "not_found_error", "NOT_FOUND", "model_not_found")  # as the formats call it
OPEN = {"models": ["standin/*"]}
BOTH = [(door, api) for door in DOORS for api in PROVIDERS]


def new_name() -> str:
    """A model that no other test calls: all of them share one store."""
    return f"m-{uuid.uuid4().hex[:10]}"


async def ask(here: Place, door: str, model: str, key: str = "", stream: bool = False) -> Any:
    path, body = DOORS[door].request(model, stream=stream)
    headers = {name: value.replace("a-key", key) if key else value for name, value in DOORS[door].key.items()}
    return await here.http.post(here.running.url + path, json=body, headers=headers)


async def sums(here: Place, model: str, requests: int = 1, key: str = "") -> Mapping[str, Any]:
    """What `/status` says of a plain model, once that many calls are booked."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with asyncio.timeout(SOON):
        for pause in itertools.repeat(0.02):
            status = (await here.http.get(f"{here.running.url}/status", headers=headers)).json()
            found: Mapping[str, Any] = status["models"].get(model, {"requests": 0})
            if found["requests"] >= requests:
                break
            await asyncio.sleep(pause)
    return found


@pytest.mark.parametrize(("door", "api"), BOTH)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_every_door_to_every_provider(serve: Serve, door: str, api: str, stream: bool) -> None:
    """A plain model answers with no prompt and no version, as the client's own format says it."""
    here = await serve(api=api, gateway={"models": [f"{PROVIDERS[api]}/*"]}, version={"system_prompt": "I am v1."})
    model = new_name()
    said = await ask(here, door, f"{PROVIDERS[api]}/{model}", stream=stream)
    assert said.status_code == 200, said.text
    assert said.headers["x-serinus-target"] == f"{PROVIDERS[api]}/{model}"
    assert "x-serinus-agent" not in said.headers and "x-serinus-version" not in said.headers
    assert b"I am v1" not in here.received().raw_body
    if not stream:
        assert DOORS[door].words(said.json()) == SAID


async def test_the_request_is_the_clients(serve: Serve) -> None:
    """But for the model's name every member is as the client spelled it."""
    here = await serve(gateway=OPEN)
    body = b'{"model":"standin/good","temperature":0.70,"messages":[{"role":"user",  "content":"hello"}],"odd":1e2}'
    assert (await here.send(body)).status_code == 200
    assert here.received().raw_body == body.replace(b"standin/good", b"good")


async def test_without_the_provider(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """A name as the app has always sent it; its log line names the model, and neither agent nor version."""
    here = await serve(
        gateway={**OPEN, "prices": [{"target": "standin/new", "from": "2026-01-01", "input": 1, "output": 2}]}
    )
    answer = await here.sdk().chat.completions.with_raw_response.create(model="new", messages=HELLO)
    assert answer.headers["x-serinus-target"] == "standin/new" and float(answer.headers["x-serinus-cost-usd"]) > 0
    line = await logged(capfd)
    assert (line["model"], line["agent"], line["version"], line["reason"]) == ("standin/new", None, None, "model")
    assert line["cost_usd"] > 0 and line["arm"] is None


async def test_embeddings_completions_and_passed_endpoints(serve: Serve) -> None:
    """Every endpoint of OpenAI's that names a model takes a plain one, and meters it."""
    here, model = await serve(gateway=OPEN), new_name()
    name = f"standin/{model}"
    client = here.sdk()
    assert (await client.embeddings.create(model=name, input="a")).data
    assert (await client.completions.create(model=model, prompt="a")).choices
    assert (await client.moderations.create(model=name, input="a")).results
    assert json.loads(here.received().raw_body)["model"] == model
    assert (await sums(here, name, 3))["requests"] == 3


async def test_googles_embeddings(serve: Serve) -> None:
    """Gemini's other endpoints take plain models and aliases in their paths, with and without the provider."""
    here = await serve(api="gemini", gateway={"models": ["standin-gemini/*"]}, aliases={"text-embedding-004": "agent"})
    for name, sent in (("standin-gemini/new", "new"), ("new", "new"), ("text-embedding-004", "good")):
        body = {"model": f"models/{name}", "content": {"parts": [{"text": "a"}]}}
        said = await here.http.post(f"{here.running.url}/v1beta/models/{name}:embedContent", json=body)
        assert said.status_code == 200 and said.headers["x-serinus-target"] == f"standin-gemini/{sent}"
        assert here.received().path == f"/v1beta/models/{sent}:embedContent"


async def test_tokens_are_counted(serve: Serve) -> None:
    """Anthropic's clients may count a plain model's tokens at its provider."""
    here = await serve(api="anthropic", gateway={"models": ["standin-anthropic/*"]})
    url = f"{here.base_url}/messages/count_tokens"
    said = await here.http.post(url, json={"model": "standin-anthropic/good", "messages": HELLO})
    assert said.status_code == 200 and said.json()["input_tokens"] > 0
    assert "x-serinus-agent" not in said.headers


async def test_over_a_websocket(serve: Serve) -> None:
    """A frame's plain model is a call like any other, and a warm-up names it."""
    here = await serve(gateway=OPEN)
    async with socket(f"{here.base_url}/responses") as client:
        for more in ({"generate": False}, {}):
            client.create("standin/good", input="hello", **more)
            assert (await client.response())[-1]["response"]["model"] == "good"


@pytest.mark.parametrize("door", DOORS)
async def test_an_alias_is_served_by_its_agent(serve: Serve, door: str) -> None:
    """In every format: the app goes on sending the model's name, and gets the version's prompt."""
    aliases = {"gpt-4o": "agent", "models-of/gemini-2.5-pro:free": "agent"}
    here = await serve(gateway=OPEN, aliases=aliases, version={"system_prompt": "I am v1."})
    for name in (*aliases, "gpt-4o@v1"):
        said = await ask(here, door, name)
        assert said.status_code == 200, said.text
        assert (said.headers["x-serinus-agent"], said.headers["x-serinus-version"]) == (here.agent, "v1")
        assert b"I am v1" in here.received().raw_body
    assert (await here.books(requests=2)).requests >= 2


async def test_an_alias_in_forms_and_queries(serve: Serve) -> None:
    """Passed endpoints and feedback know an alias's calls as the agent's."""
    here = await serve(aliases={"whisper-1": "agent"})
    text = await here.sdk().audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"))
    assert text.text and b'name="model"\r\n\r\ngood' in here.received().raw_body
    said = await here.chat(model="whisper-1")
    score = {"call_id": said.headers["x-serinus-call-id"], "score": 1}
    assert (await here.http.post(f"{here.base_url}/feedback", json=score)).json()["agent"] == here.agent


async def test_an_alias_may_lead_to_a_model(serve: Serve) -> None:
    """A name that is gone at the provider goes on as another one."""
    here = await serve(gateway=OPEN, aliases={"retired": "standin/new"})
    said = await here.chat(model="retired")
    assert said.headers["x-serinus-target"] == "standin/new" and here.received_json()["model"] == "new"


@pytest.mark.parametrize("door", DOORS)
async def test_unknown_names(serve: Serve, door: str) -> None:
    """404 in the client's dialect, with what may have been meant."""
    here = await serve(gateway={"models": ["standin/gpt-4o"]})
    for name, meant in (("standin/gpt-4", "standin/gpt-4o"), (here.agent[:-1], here.agent)):
        said = await ask(here, door, name)
        assert said.status_code == 404 and f"did you mean '{meant}'" in said.text
        assert DOORS[door].error(said.json()) in NOT_FOUND


@pytest.mark.parametrize("door", DOORS)
async def test_ambiguous_names(serve: Serve, door: str) -> None:
    """400 that lists what to write, at every door."""
    providers = {name: {"api": "openai", "base_url": f"http://127.0.0.1:1/{name}"} for name in ("standin", "other")}
    here = await serve(gateway={"providers": providers, "models": ["standin/*", "other/*"]})
    said = await ask(here, door, "new")
    assert said.status_code == 400 and "other/new, standin/new" in said.text


async def test_scopes(serve: Serve) -> None:
    """A key for an agent calls no model, by any name or endpoint; one for models calls no agent, also by no alias."""
    keys = {
        "app": {"sha256": digest_of("app"), "agents": []},
        "lab": {"sha256": digest_of("lab"), "models": ["standin/gpt-*"]},
        "all": {"sha256": digest_of("all")},
    }
    here = await serve(
        gateway={**OPEN, "keys": keys}, aliases={"fast": "agent", "gpt-x": "agent", "slow": "standin/o3"}
    )
    allowed = {
        "app": [],
        "lab": ["standin/gpt-4", "gpt-4"],
        "all": ["standin/gpt-4", "gpt-4", "fast", "slow", here.agent],
    }
    every = {*allowed["all"], "gpt-x", "standin/o3", f"{here.agent}@v1"}
    for key in keys:
        for name in every:
            for door in DOORS:
                expected = 200 if key == "all" or name in allowed[key] else 403
                assert (await ask(here, door, name, key)).status_code == expected, (key, name, door)
            for path in ("embeddings", "moderations", "images/generations?model=" + name):
                headers = {"authorization": f"Bearer {key}"}
                body = {"input": "a", "prompt": "a"} if "?" in path else {"model": name, "input": "a", "prompt": "a"}
                said = await here.http.post(f"{here.base_url}/{path}", json=body, headers=headers)
                assert (said.status_code == 403) == (key != "all" and name not in allowed[key]), (key, name, path)


async def test_scopes_at_every_other_endpoint(serve: Serve) -> None:
    """Counting, completions, Gemini's embeddings, a WebSocket, lists and forms ask in the same place."""
    lab = {"sha256": digest_of("lab"), "models": ["standin/gpt-*"]}
    keys = {"app": {"sha256": digest_of("app"), "agents": []}, "lab": lab}
    here = await serve(gateway={**OPEN, "keys": keys}, aliases={"gpt-x": "agent"})
    for key, name in (("app", "standin/gpt-4"), ("app", "gpt-4"), ("lab", "gpt-x"), ("lab", here.agent)):
        headers = {"authorization": f"Bearer {key}"}
        for path, body in (
            ("/v1/messages/count_tokens", {"model": name, "messages": HELLO}),
            ("/v1/completions", {"model": name, "prompt": "a"}),
            (f"/v1beta/models/{name}:embedContent", {"content": {"parts": [{"text": "a"}]}}),
            (f"/v1/audio/speech?model={name}", {"input": "a", "voice": "b"}),
        ):
            said = await here.http.post(here.running.url + path, json=body, headers=headers)
            assert said.status_code == 403, (key, name, path, said.text)
        form: Any = {"model": (None, name), "file": ("a.wav", b"RIFF")}
        said = await here.http.post(f"{here.base_url}/audio/transcriptions", files=form, headers=headers)
        assert said.status_code == 403
        assert (await here.http.get(f"{here.base_url}/models/{name}", headers=headers)).status_code == 404
        assert name not in (await here.http.get(f"{here.base_url}/models", headers=headers)).text
        async with socket(f"{here.base_url}/responses", {"authorization": f"Bearer {key}"}) as client:
            client.create(name, input="hello")
            assert (await client.response())[-1]["status"] == 403
    assert {each.method for each in here.standin.requests} <= {"GET"}  # the list of models, which is asked for by us


async def test_a_key_for_models_reaches_no_operators_endpoint(serve: Serve) -> None:
    """It is limited like a key for agents: batches run any model, and `files` belong to whoever made them."""
    keys = {
        "lab": {"sha256": digest_of("lab"), "models": ["standin/gpt-*"]},
        "none": {"sha256": digest_of("no"), "models": []},
    }
    here = await serve(gateway={**OPEN, "keys": keys})
    for key in ("lab", "no"):
        for path in ("batches", "key"):
            headers = {"authorization": f"Bearer {key}"}
            assert (await here.http.post(f"{here.base_url}/{path}", json={"a": 1}, headers=headers)).status_code == 403


async def test_metering(serve: Serve) -> None:
    """Each model's calls, tokens and cost, apart from agents; what has no price is listed."""
    price = {"from": "2026-01-01", "input": 1.0, "output": 2.0}
    model, free = f"standin/{new_name()}", f"standin/{new_name()}"
    here = await serve(gateway={**OPEN, "prices": [{"target": model, **price}]})
    for name in (model, model, free):
        assert (await here.chat(model=name)).status_code == 200
    found = await sums(here, model, 2)
    assert (found["requests"], found["errors"], found["tokens"]["output"], found["unpriced"]) == (2, 0, 16, 0)
    assert found["cost_usd"] > 0 and (await sums(here, free))["cost_usd"] is None
    status = (await here.http.get(f"{here.running.url}/status")).json()
    assert status["unpriced_models"] == [free] and status["agents"][here.agent]["versions"]["v1"]["requests"] == 0
    page = await here.http.get(f"{here.running.url}/status", headers={"accept": "text/html"})
    assert "Plain models" in page.text and model in page.text
    one = (await here.http.get(f"{here.running.url}/status/{here.agent}")).json()
    assert one["models"] == {}


async def test_metering_outlives_an_outage_of_the_store(serve: Serve) -> None:
    """Calls go on, what was counted is brought in afterwards, once, and all is well again."""
    here, model = await serve(gateway=OPEN), f"standin/{new_name()}"
    with here.running.store.faulty("flush", "snapshot"):
        for _ in range(3):
            assert (await here.chat(model=model)).status_code == 200
        await eventually(lambda: not here.running.gateway.services.controller.store_ok)
        assert model not in (await here.http.get(f"{here.running.url}/status")).json()["models"]
    assert (await sums(here, model, 3))["requests"] == 3
    await eventually(lambda: here.running.gateway.services.controller.store_ok)
    await asyncio.sleep(0.3)
    assert (await sums(here, model, 3))["requests"] == 3


async def test_a_limited_key_sees_its_models_alone(serve: Serve) -> None:
    """On `/status`, as it does of agents."""
    keys = {"lab": {"sha256": digest_of("lab"), "models": ["standin/m-*"]}, "all": {"sha256": digest_of("all")}}
    here = await serve(gateway={**OPEN, "keys": keys})
    mine, theirs = f"standin/{new_name()}", f"standin/x-{new_name()}"
    for name in (mine, theirs):
        assert (await ask(here, "openai", name, "all")).status_code == 200
    await sums(here, theirs, key="all")
    status = (await here.http.get(f"{here.running.url}/status", headers={"authorization": "Bearer lab"})).json()
    assert mine in status["models"] and theirs not in status["models"] and status["agents"] == {}


async def test_a_model_that_the_provider_does_not_have(serve: Serve) -> None:
    """The provider's own 404, which is the client's mistake; made-up names get no place of their own in the sums."""
    here, model = await serve(gateway=OPEN), new_name()
    here.standin.behave(model, ModelBehaviour(error_rate=1, fault="unknown_model"))
    before = await sums(here, "other", 0)  # other gateways over this store have had theirs
    with pytest.raises(openai.NotFoundError):
        await here.sdk().chat.completions.create(model=f"standin/{model}", messages=HELLO)
    other = await sums(here, "other", before["requests"] + 1)
    assert other["errors"] == before.get("errors", 0)
    status = (await here.http.get(f"{here.running.url}/status")).json()
    assert f"standin/{model}" not in status["models"]


@pytest.mark.parametrize("api", [api for api in PROVIDERS if api not in ("openai", "openai-responses")])
async def test_what_the_models_provider_cannot_do(serve: Serve, api: str) -> None:
    """A 400 of ours before anything is sent: the client chose the model, so it is no error of the model's."""
    here = await serve(api=api, gateway={"models": [f"{PROVIDERS[api]}/*"], "circuit": {"failures": 1}})
    model = f"{PROVIDERS[api]}/{new_name()}"
    assert (await ask(here, "openai", model)).status_code == 200
    asked = len(here.standin.requests)
    for path, body in (
        ("embeddings", {"input": "a"}),
        ("completions", {"prompt": "a"}),
        ("chat/completions", {"messages": HELLO, "logit_bias": {"1": 1}}),
    ):
        for _ in range(2):
            refused = await here.http.post(f"{here.running.url}/v1/{path}", json={"model": model, **body})
            error = refused.json()["error"]
            assert (refused.status_code, error["code"]) == (400, "unsupported_by_provider"), error
    found = await sums(here, model, 7)
    assert (found["requests"], found["errors"]) == (7, 0)
    status = (await here.http.get(f"{here.running.url}/status")).json()
    assert status["gateway"]["circuits"] == {} and len(here.standin.requests) == asked


async def test_retries_and_circuits(serve: Serve) -> None:
    """A failing plain model is retried, and its circuit opens."""
    gateway = {**OPEN, "retries": {"per_target": 1, "budget": "100%"}, "circuit": {"failures": 4}}
    here, model = await serve(gateway=gateway), new_name()
    here.standin.behave(model, ModelBehaviour(error_rate=1, fault="status"))
    for _ in range(2):
        assert (await here.chat(model=f"standin/{model}")).headers["x-serinus-attempts"] == "2"
    assert (await here.chat(model=f"standin/{model}")).status_code == 503
    circuits = (await here.http.get(f"{here.running.url}/status")).json()["gateway"]["circuits"]
    assert circuits == {f"standin/{model}": "open"}


async def test_feedback(serve: Serve) -> None:
    """A plain model's call has no version to score, and the answer says so."""
    here = await serve(gateway=OPEN)
    said = await here.chat(model="standin/good")
    score = {"call_id": said.headers["x-serinus-call-id"], "score": 0.5}
    answer = await here.http.post(f"{here.base_url}/feedback", json=score)
    assert (answer.status_code, answer.json()["counts"], answer.json()["agent"]) == (200, False, None)


async def test_hot_reload(serve: Serve) -> None:
    """Models, aliases and scopes follow an edit; a call that was allowed before is not any more."""
    here = await serve(gateway=OPEN)
    assert (await here.chat(model="standin/new")).status_code == 200
    path = here.running.folder / "gateway.yaml"
    path.write_text(json.dumps({**json.loads(path.read_text()), "models": []}))
    routing = here.running.folder / "routing.yaml"
    routing.write_text(json.dumps({**json.loads(routing.read_text()), "aliases": {"standin/new": here.agent}}))
    here.running.reload()
    assert (await here.chat(model="standin/new")).headers["x-serinus-agent"] == here.agent
    assert (await here.chat(model="standin/old")).status_code == 404


async def test_a_refused_key_is_told_once(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    """However many models are asked for: clients choose their names, and the fault is their provider's."""
    here = await serve(gateway=OPEN)
    behaviour = ModelBehaviour(error_rate=1, fault="status", status=401)
    for model in ("one", "two", "three"):
        here.standin.behave(model, behaviour)
        said = await here.chat(model=f"standin/{model}")
        assert (said.status_code, said.json()["error"]["code"]) == (502, "target_misconfigured")
    line = await logged(capfd, "target_misconfigured")
    assert (line["agent"], line["target"]) == ("plain models", "standin/one")
    await asyncio.sleep(0.05)
    assert "target_misconfigured" not in capfd.readouterr().out


async def test_stored_responses_of_a_key_for_models(serve: Serve) -> None:
    """It finds by its id what its plain model has answered, and nothing of another key's."""
    keys = {key: {"sha256": digest_of(key), "models": ["standin-responses/*"]} for key in ("one", "two")}
    here = await serve(api="openai-responses", gateway={"models": ["standin-responses/*"], "keys": keys})
    mine, theirs = (openai.AsyncOpenAI(base_url=here.base_url, api_key=key, max_retries=0) for key in keys)
    async with mine, theirs:
        made = await mine.responses.create(model="standin-responses/good", input="hello", store=True)
        assert (await mine.responses.retrieve(made.id)).id == made.id
        again = await mine.responses.create(model="good", input="more", previous_response_id=made.id)
        assert again.output_text == SAID


async def test_made_up_names_are_forgotten(serve: Serve) -> None:
    """However many names a client makes up, what is kept of them is bounded."""
    here = await serve(gateway=OPEN)
    proxy, prices = here.running.gateway.services.proxy, here.running.gateway.services.runtime.prices
    rules = here.running.gateway.services.runtime.circuit
    for number in range(5000):
        target = proxy.table.model(f"standin/made-up-{number}").agent.versions[f"standin/made-up-{number}"].target
        proxy.attempts.circuits.of_target(target, rules)
        prices.rates(target.name, 0.0)
        prices.miss(MODELS, target.name)
    assert (await here.chat(model="standin/good")).status_code == 200
    kept = (proxy.table._models, proxy.attempts.circuits._by_target, prices._periods, prices._list._schedules)
    assert all(len(each) <= 4096 for each in kept) and len(prices.unpriced(MODELS)) <= 200
