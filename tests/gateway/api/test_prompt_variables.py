"""Prompts with variables, as clients of every format call them: filled, in place, and never passed on or shown."""

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gateway.api.doors import DOORS
from tests.support.calling import PROVIDERS, Place, eventually, failing
from tests.support.running import ADMIN_TOKEN
from tests.support.websockets import socket

Serve = Callable[..., Awaitable[Place]]
SECRET = "Zebulon-73160942-{{plan}}"
INPUTS = {
    "customer": {"type": "string", "max_length": 40},
    "plan": {"enum": ["free", "pro"], "default": "free"},
    "note": {"required": False},
}
VERSION = {
    "system_prompt": "For {{customer}} ({{plan}}).{{#if note}} Note: {{note}}{{/if}}",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "I am {{customer}}."},
        {"role": "assistant", "content": "Hello {{customer}}!"},
    ],
    "inputs": INPUTS,
}
SYSTEM = f"For {SECRET} (pro).\n\nBe brief."


def said(body: Any) -> tuple[str, list[tuple[str, str]]]:
    """The system text and the turns that a provider received, in whatever format."""
    turns = body.get("messages") or body.get("contents") or body.get("input")
    found = [(turn.get("role") or turn["type"], _text(turn.get("content") or turn.get("parts"))) for turn in turns]
    lead = (
        body.get("instructions")
        or body.get("system")
        or body.get("systemInstruction")
        or body.get("system_instruction")
    )
    if lead is None and found[0][0] == "system":
        lead = found.pop(0)[1]
    return _text(lead), [
        ({"model": "assistant", "model_output": "assistant", "user_input": "user"}.get(role, role), text)
        for role, text in found
    ]


def _text(content: Any) -> str:
    if isinstance(content, dict):
        content = content["parts"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


async def ask(here: Place, client: str, headers: dict[str, str] | None = None, **more: Any) -> Any:
    """A call by that format's own endpoint."""
    door = DOORS[client]
    path, body = door.request(here.agent)
    return await here.http.post(here.running.url + path, json={**body, **more}, headers={**door.key, **(headers or {})})


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_format(serve: Serve, provider: str) -> None:
    """The filled prompt and the version's turns stand before the client's, and its values are in no other place."""
    here = await serve(version=VERSION, api=provider)
    for client in DOORS:
        answer = await ask(here, client, prompt_variables={"customer": SECRET, "plan": "pro", "unknown": "x"})
        assert answer.status_code == 200, (client, answer.text)
        received = here.received_json()
        turns = [("user", f"I am {SECRET}."), ("assistant", f"Hello {SECRET}!"), ("user", "hello")]
        assert said(received) == (SYSTEM, turns), client
        assert not {"prompt_variables", "inputs", "prompt"} & set(received) and "unknown" not in here.received().body


FAULTS: list[tuple[Any, str, str]] = [
    ({}, "missing_prompt_variable", "customer"),
    ({"customer": None}, "missing_prompt_variable", "customer"),
    ({"customer": 73160942}, "invalid_prompt_variable", "customer"),
    ({"customer": SECRET * 3}, "invalid_prompt_variable", "customer"),
    ({"customer": "x", "plan": SECRET}, "invalid_prompt_variable", "plan"),
    ({"customer": "x", "note": [SECRET]}, "invalid_prompt_variable", "note"),
    ([SECRET], "invalid_prompt_variables", "prompt_variables"),
]


async def test_client_faults(serve: Serve) -> None:
    """A missing or wrong value is a 400 in the client's own format that names the variable and never the value."""
    here = await serve(version=VERSION)
    for client, door in DOORS.items():
        for values, code, named in FAULTS:
            answer = await ask(here, client, prompt_variables=values)
            assert answer.status_code == 400 and door.error(answer.json()), (client, values)
            assert named in answer.text and "73160942" not in answer.text and "Zebulon" not in answer.text
            assert client != "openai" or answer.json()["error"]["code"] == code
    assert len(here.standin.requests) == 0


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_odd_characters(serve: Serve, provider: str) -> None:
    """Half a character, a null character and a separator reach every provider as they came."""
    odd = "\ud800 \x00 \u2028 {{plan}}"
    here = await serve(version={"system_prompt": "{{a}}", "inputs": {"a": {}}}, api=provider)
    path, body = DOORS["openai"].request(here.agent)
    asked = json.dumps({**body, "prompt_variables": {"a": odd}}).encode()
    answer = await here.http.post(here.running.url + path, content=asked)
    assert answer.status_code == 200, answer.text
    assert json.dumps(odd)[1:-1].encode() in here.received().raw_body


async def test_client_faults_are_no_evidence(serve: Serve) -> None:
    """A call without its value is refused, and neither an error nor a rejection of the version."""
    here = await serve(version=VERSION)
    assert (await ask(here, "openai")).headers["x-serinus-failed-by"] == "client"
    books = await here.books()
    assert (books.requests, books.errors, books.rejected) == (1, 0, 0)


async def test_order_of_sources(serve: Serve) -> None:
    """The first source that gives a value counts: `prompt.variables`, `prompt_variables`, `inputs`, the header."""
    here = await serve(version={"system_prompt": "{{a}}{{b}}{{c}}{{d}}", "inputs": {name: {} for name in "abcd"}})
    header = base64.urlsafe_b64encode(json.dumps(dict.fromkeys("abcd", "4")).encode()).decode().rstrip("=")
    prompt = {"id": here.agent, "variables": {"a": {"type": "input_text", "text": "1"}, "b": None}}
    sources = {"prompt": prompt, "prompt_variables": {"a": "2", "b": "2"}, "inputs": dict.fromkeys("abc", "3")}
    for client in ("openai", "openai-responses"):
        answer = await ask(here, client, {"x-serinus-inputs": header}, **sources)
        assert answer.status_code == 200, answer.text
        assert said(here.received_json())[0] == "1234"
    assert here.received().header("x-serinus-inputs") is None


@pytest.mark.parametrize("header", ["%%%", "e30", "W10", "bm8", "eyJhIjpOYU59", base64.b64encode(b"[" * 5000).decode()])
async def test_header_that_is_none(serve: Serve, header: str) -> None:
    """A header that is no JSON object in base64url is a 400, but for an empty object, whose value is then missing."""
    here = await serve(version={"system_prompt": "{{a}}", "inputs": {"a": {}}})
    answer = await ask(here, "openai", {"x-serinus-inputs": header})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("invalid_prompt_variables", "missing_prompt_variable")


@pytest.mark.parametrize("kind", ["input_image", "input_file", "input_other"])
async def test_media_in_variables(serve: Serve, kind: str) -> None:
    """An image or a file as a variable is refused by its name, used or not."""
    here = await serve(version={"system_prompt": "{{a}}", "inputs": {"a": {}}})
    prompt = {"id": here.agent, "variables": {"a": "x", "photo": {"type": kind, "file_id": SECRET}}}
    answer = await ask(here, "openai-responses", prompt=prompt)
    assert answer.status_code == 400 and "photo" in answer.text and "Zebulon" not in answer.text


@pytest.mark.parametrize(
    "values",
    [
        {str(number): 1 for number in range(201)},
        {"a": "x" * (1 << 20)},
        {"a": ["x"] * 10_001},
        {"a": json.loads("[" * 17 + "]" * 17)},
    ],
)
async def test_bounds_of_values(serve: Serve, values: Any) -> None:
    """Too many values, too long, or nested too deeply are a 400."""
    here = await serve(version={"system_prompt": "{{#each a}}{{this}}{{/each}}", "inputs": {"a": {"type": "array"}}})
    answer = await ask(here, "anthropic", prompt_variables=values)
    assert answer.status_code == 400 and "prompt variables" in answer.text


async def test_agents_without_inputs(serve: Serve) -> None:
    """Values for an agent that takes none go nowhere; other members stay the client's."""
    here = await serve(version={"system_prompt": "Fixed."})
    answer = await ask(here, "openai", {"x-serinus-inputs": "e30"}, prompt_variables={"a": SECRET}, inputs=[1])
    assert answer.status_code == 200
    assert "Zebulon" not in here.received().body and here.received_json()["inputs"] == [1]


async def test_values_that_the_canary_alone_needs(serve: Serve) -> None:
    """Both arms take the same call: what a version does not know it does not use."""
    files = {
        "v2.yaml": {"model": "standin/better", "system_prompt": "{{tone}}", "inputs": {"tone": {"default": "kind"}}}
    }
    here = await serve(version={"system_prompt": "Fixed."}, files=files, routing={"canary": "v2", "weight": "50%"})
    for pin, system in (("v1", "Fixed."), ("v2", "stern")):
        answer = await here.chat(model=f"{here.agent}@{pin}", prompt_variables={"tone": "stern"})
        assert answer.status_code == 200 and said(here.received_json())[0] == system


async def test_other_endpoints(serve: Serve) -> None:
    """Embeddings and completions have no prompt of the version's; their own members stay as they are."""
    here = await serve(version=VERSION)
    for path, body in (("embeddings", {"input": "x"}), ("completions", {"prompt": "x"})):
        await here.http.post(f"{here.base_url}/{path}", json={"model": here.agent, "inputs": {"a": 1}, **body})
        assert here.received_json()["inputs"] == {"a": 1}


async def test_clients_own_system_message(serve: Serve) -> None:
    """A version's turns stand behind the client's leading system messages, which follow its own."""
    here = await serve(version=VERSION)
    messages = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "hi"}]
    await here.chat(messages=messages, inputs={"customer": "Ann"})
    turns = [("user", "I am Ann."), ("assistant", "Hello Ann!"), ("user", "hi")]
    assert said(here.received_json()) == ("For Ann (free).\n\nBe brief.\n\nMine.", turns)


@pytest.mark.parametrize("provider", ["openai", "openai-responses", "gemini"])
async def test_prompt_alone(serve: Serve, provider: str) -> None:
    """A named prompt needs no input: what the version says is all that is asked."""
    here = await serve(version={"system_prompt": "Tell {{a}} a joke.", "inputs": {"a": {}}}, api=provider)
    body = {"prompt": {"id": here.agent, "variables": {"a": "Ann"}}}
    answer = await here.http.post(f"{here.base_url}/responses", json=body)
    assert answer.status_code == 200, answer.text
    assert "Tell Ann a joke." in here.received().body
    assert answer.json()["prompt"] == {**body["prompt"], "version": "v1"}


async def test_turns_of_a_stored_conversation(serve: Serve) -> None:
    """A call that continues an answer at its provider gets the system text alone: the provider holds the turns."""
    here = await serve(version=VERSION, api="openai-responses")
    first = await ask(here, "openai-responses", inputs={"customer": "Ann"})
    more = {"input": "more", "previous_response_id": first.json()["id"], "inputs": {"customer": "Ann"}}
    await ask(here, "openai-responses", **more)
    received = here.received_json()
    assert received["input"] == "more" and received["instructions"].startswith("For Ann (free).")


@pytest.mark.parametrize(
    "input_",
    [
        "hello",
        {"type": "text", "text": "hello"},
        [{"type": "text", "text": "hello"}],
        [{"type": "user_input", "content": [{"type": "text", "text": "hello"}]}],
    ],
)
async def test_inputs_of_interactions(serve: Serve, input_: Any) -> None:
    """Every form of an interaction's input follows the version's turns as a user's step."""
    here = await serve(version=VERSION, api="gemini-interactions")
    answer = await ask(here, "gemini-interactions", input=input_, inputs={"customer": "Ann"})
    assert answer.status_code == 200, answer.text
    assert said(here.received_json())[1][-1] == ("user", "hello")


async def test_prompt_that_is_none(serve: Serve) -> None:
    """An unknown prompt is a 404 of an agent with inputs; where it has none, the member is its provider's own."""
    here = await serve(version={"system_prompt": "{{a}}", "inputs": {"a": {"default": "x"}}}, api="openai-responses")
    answers = [await ask(here, "openai-responses", prompt=prompt) for prompt in ({"id": "pmpt_1"}, "x", {"id": 1})]
    assert [answer.status_code for answer in answers] == [404, 400, 400]
    for version in (1, ""):
        assert (await ask(here, "openai-responses", prompt={"id": here.agent, "version": version})).status_code == 400
    here = await serve(api="openai-responses")
    await ask(here, "openai-responses", prompt={"id": "pmpt_1"})
    assert here.received_json()["prompt"] == {"id": "pmpt_1"}


async def test_limited_keys(serve: Serve) -> None:
    """A key that is limited to other agents reaches none by its prompt, and learns nothing of its versions."""
    sha = hashlib.sha256(b"a-key").hexdigest()
    keys = {"app": {"sha256": sha, "models": ["standin/*"], "agents": []}}
    here = await serve(version=VERSION, gateway={"keys": keys, "models": ["standin/*"]})
    for version in (None, "v1", "v9"):
        answer = await ask(here, "openai-responses", prompt={"id": here.agent, "version": version})
        assert answer.status_code == 403 and "known:" not in answer.text


async def test_count_of_tokens(serve: Serve) -> None:
    """Tokens are counted with the values in the prompt; a missing one is a 400 here, too."""
    here = await serve(version=VERSION, api="anthropic")
    body = {"model": here.agent, "messages": [{"role": "user", "content": "hi"}]}
    url, key = f"{here.base_url}/messages/count_tokens", {"x-api-key": "a-key"}
    answer = await here.http.post(url, json={**body, "inputs": {"customer": SECRET}}, headers=key)
    assert answer.status_code == 200 and said(here.received_json())[0] == SYSTEM.replace("(pro)", "(free)")
    assert (await here.http.post(url, json=body, headers=key)).status_code == 400


async def test_fallback(serve: Serve) -> None:
    """Another target gets the same finished prompt."""
    here = await serve(version=VERSION, routing={"fallback": ["standin/better"]})
    here.standin.behave("good", failing("status"))
    answer = await ask(here, "openai", inputs={"customer": "Ann"})
    assert answer.headers["x-serinus-fallback"] == "true"
    prompts = [json.loads(request.raw_body)["messages"][0]["content"] for request in here.standin.requests]
    assert prompts == ["For Ann (free).\n\nBe brief."] * 2


async def test_shadow(serve: Serve) -> None:
    """A copy has the call's values; one whose prompt needs another value is dropped and counted."""
    inputs: dict[str, Any] = {**INPUTS, "note": {}}
    files = {"v2.yaml": {**VERSION, "model": "standin/copy", "inputs": inputs}}
    here = await serve(version=VERSION, files=files, routing={"shadow": {"version": "v2", "sample": "100%"}})
    await ask(here, "openai", inputs={"customer": "Ann"})
    await ask(here, "openai", inputs={"customer": "Ann", "note": "x"})
    await eventually(lambda: len(here.standin.requests) == 3)
    assert here.received_json()["messages"][0]["content"].startswith("For Ann (free). Note: x")
    assert here.running.gateway.services.proxy.shadows.view().dropped == {"inputs": 1}


async def test_conversation_whose_value_changes(serve: Serve) -> None:
    """A value is no part of what names a conversation: it keeps its version."""
    files = {"v2.yaml": {**VERSION, "model": "standin/better"}}
    here = await serve(version=VERSION, files=files, routing={"canary": "v2", "weight": "50%"})
    for talk in range(4):
        messages = [{"role": "user", "content": f"talk {talk}"}]
        versions = set()
        for turn in range(3):
            answer = await here.chat(messages=messages, inputs={"customer": f"Ann {turn}"})
            versions.add(answer.headers["x-serinus-version"])
            said_ = answer.json()["choices"][0]["message"]["content"]
            messages += [{"role": "assistant", "content": said_}, {"role": "user", "content": "more"}]
        assert len(versions) == 1


async def test_websocket(serve: Serve) -> None:
    """Each call on a socket gives its own values; the version's turns go before all of a conversation."""
    here = await serve(version=VERSION, api="anthropic")
    async with socket(f"{here.base_url}/responses", {}) as client:
        prompt = {"id": here.agent, "variables": {"customer": "Ann"}}
        client.create(here.agent, input="hello", prompt=prompt)
        first = (await client.response())[-1]["response"]
        assert first["prompt"] == {**prompt, "version": "v1"}
        client.create(here.agent, input="more", previous_response_id=first["id"], inputs={"customer": "Bob"})
        assert (await client.response())[-1]["type"] == "response.completed"
        texts = [text for _, text in said(here.received_json())[1]]
        assert texts[:3] == ["I am Bob.", "Hello Bob!", "hello"] and texts[-1] == "more"
        client.create(here.agent, input="hello")
        (error,) = await client.response()
        assert error["error"]["code"] == "missing_prompt_variable"


async def test_recorded_contents(serve: Serve) -> None:
    """Where contents are recorded, they hold what the client said and got, and no value: neither of an echo."""
    here = await serve(version=VERSION, api="openai-responses", routing={"record_content": "all"})
    prompt = {"id": here.agent, "variables": {"customer": SECRET}}
    for stream in (False, True):
        answer = await ask(here, "openai-responses", prompt=prompt, stream=stream)
        assert SECRET in answer.text
        call = f"{here.running.url}/calls/{answer.headers['x-serinus-call-id']}"
        record = await here.http.get(call, headers={"authorization": f"Bearer {ADMIN_TOKEN}"})
        assert "hello" in record.text and "cheep" in record.text and "Zebulon" not in record.text
