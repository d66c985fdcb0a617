"""Calls that begin alike fall by weight each, whatever their beginning is; conversations and ids keep their version."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.rehearsal.standin import ModelBehaviour
from tests.conftest import Serve
from tests.support.calling import PROVIDERS, Place

CALLS = 60  # at half of the weight: fewer than nine of the 50 that are shared fall on one side once in a million runs


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def parts(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}


EXAMPLE = [user("Is it good?"), assistant("good"), user("Is it bad?")]
BODIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "examples": ("openai", "/chat/completions", {"messages": EXAMPLE}),
    "a prefilled answer": ("openai", "/chat/completions", {"messages": [user("As JSON"), assistant("{")]}),
    "a greeting": ("openai", "/chat/completions", {"messages": [assistant("Hello!"), user("hi")]}),
    "examples, Responses": ("openai-responses", "/responses", {"input": EXAMPLE, "store": False}),
    "examples, Messages": ("anthropic", "/messages", {"messages": EXAMPLE, "max_tokens": 50}),
    "a prefilled answer, Messages": ("anthropic", "/messages", {"messages": EXAMPLE[:2], "max_tokens": 50}),
    "examples, Gemini": (
        "gemini", "/models/{agent}:generateContent",
        {"contents": [parts("user", "good?"), parts("model", "good"), parts("user", "bad?")]},
    ),
}  # fmt: skip
IDS: list[dict[str, Any]] = [
    {"headers": {"x-session-affinity": "node-1"}},
    {"headers": {"x-session-id": "constant"}},
    {"metadata": {"session_id": "constant"}},
]
LOOPS: dict[str, list[list[dict[str, str]]]] = {
    "each its own": [[user(f"message {number}")] for number in range(40)],
    "continue": [[user("continue" if number % 2 else f"do {number}")] for number in range(40)],
    "yes or no": [[user(("yes", "no", "next")[number % 3])] for number in range(60)],
    "trimmed": [[user("the task"), user(f"observation {number}")] for number in range(40)],
    "trimmed, with answers": [[user("the task"), assistant("act"), user(f"seen {number}")] for number in range(40)],
}


async def split(serve: Serve, api: str = "openai", **routing: Any) -> Place:
    """Half of the units on v2."""
    return await serve(
        api=api,
        gateway={"circuit": {"failures": 10_000}},
        routing={"canary": "v2", "weight": "50%", "guardrails": [], **routing},
        files={"v2.yaml": {"model": f"{PROVIDERS[api]}/good", "temperature": 0.5}},
    )


async def ask(
    here: Place, body: Mapping[str, Any], headers: Mapping[str, str] | None = None, path: str = "/chat/completions"
) -> tuple[str, str]:
    """One call: who served it, and the answer."""
    base = here.base_url.removesuffix("/v1") + "/v1beta" if "{agent}" in path else here.base_url
    named = body if "{agent}" in path else {"model": here.agent, **body}
    reply = await here.http.post(base + path.format(agent=here.agent), json=named, headers=headers)
    assert reply.status_code == 200, reply.text
    said = json.loads(reply.text)
    return reply.headers["x-serinus-version"], said["choices"][0]["message"]["content"] if "choices" in said else ""


def sentence(here: Place) -> str:
    """What the status says of the agent's beginnings."""
    return str(here.running.gateway.services.proxy.conversations.beginnings.openings.sentence(here.agent))


def is_split(versions: list[str]) -> bool:
    """Whether neither version has nearly all."""
    return min(Counter(versions)[version] for version in ("v1", "v2")) >= 9


@pytest.mark.parametrize("beginning", BODIES)
async def test_a_template_is_split(serve: Serve, beginning: str) -> None:
    """In each format, whole: its calls fall by weight, and the status says so."""
    api, path, body = BODIES[beginning]
    here = await split(serve, api)
    assert is_split([(await ask(here, body, path=path))[0] for _ in range(CALLS)])
    assert "100% of the calls that begin a conversation have the same beginning" in sentence(here)


@pytest.mark.parametrize("sticky", ["user", "header:x-tenant", "conversation"])
async def test_a_template_with_another_question_each_time_is_split(serve: Serve, sticky: str) -> None:
    """Also where the unit has no name."""
    here = await split(serve, sticky=sticky)
    bodies = [{"messages": [*EXAMPLE[:2], user(f"Is {number} good?")]} for number in range(CALLS)]
    assert is_split([(await ask(here, body))[0] for body in bodies])


@pytest.mark.parametrize("id_", IDS)
@pytest.mark.parametrize("messages", [[user("hi")], EXAMPLE])
async def test_one_id_for_everybody_is_one_conversation(serve: Serve, id_: dict[str, Any], messages: list[Any]) -> None:
    """It is not split by what its calls say; the status says which share has it, and the way out."""
    here, id_ = await split(serve), dict(id_)
    headers = id_.pop("headers", None)
    assert len({(await ask(here, {"messages": messages, **id_}, headers))[0] for _ in range(30)}) == 1
    assert "100% of the calls that seem to begin a conversation carry one id" in sentence(here)


@pytest.mark.parametrize("messages", [[user("hi")], EXAMPLE, [user("As JSON"), assistant("{")]])
async def test_what_begins_alike_goes_on_where_it_began(serve: Serve, messages: list[Any]) -> None:
    """A client joins what it has put before an answer with it."""
    here, served = await split(serve), list[str]()
    for number in range(40):
        here.standin.behave("good", ModelBehaviour(chunk_text=f"{number} "))
        version, said = await ask(here, {"messages": messages})
        prefilled = messages[-1] if messages[-1]["role"] == "assistant" else None
        told = [*messages[:-1], assistant(prefilled["content"] + said)] if prefilled else [*messages, assistant(said)]
        turns = [*told, user("more"), assistant("well"), user("and more")]
        for length in (len(told) + 1, len(told) + 3):
            now, _ = await ask(here, {"messages": turns[:length]})
            served.append("kept" if now == version else "moved")
    assert served == ["kept"] * 80


async def test_a_conversation_that_is_tried_again_is_not_split(serve: Serve) -> None:
    """It began here: it keeps its version, however often its client sends the same history, and whatever follows."""
    here = await split(serve)
    version, said = await ask(here, {"messages": [user("a question")]})
    history = [user("a question"), assistant(said)]
    again = [(await ask(here, {"messages": [*history, user("more")]}))[0] for _ in range(40)]
    forks = [(await ask(here, {"messages": [*history, user(f"more {number}")]}))[0] for number in range(40)]
    assert {*again, *forks} == {version}


async def test_what_fails_is_no_template(serve: Serve) -> None:
    """A history from elsewhere is repeated while its calls fail: it is counted when it is answered."""
    here = await split(serve)
    history = {"messages": EXAMPLE}
    version, _ = await ask(here, history)
    here.standin.behave("good", ModelBehaviour(error_rate=1.0))
    for _ in range(30):
        await here.http.post(f"{here.base_url}/chat/completions", json={"model": here.agent, **history})
    here.standin.behave("good", ModelBehaviour())
    assert [(await ask(here, history))[0] for _ in range(5)] == [version] * 5


async def test_a_session_with_many_openings_is_one_conversation(serve: Serve) -> None:
    """Sub-agents share their session's id, and every one has its own first message and its own history."""
    here, session = await split(serve), {"x-claude-code-session-id": "one"}
    openings = [[user(f"task {number}"), assistant("ok"), user("go on")] for number in range(30)]
    turns = [messages[:length] for messages in openings for length in (1, 3)]
    assert len({(await ask(here, {"messages": messages}, session))[0] for messages in turns}) == 1
    assert "carry one id and so are one conversation" in sentence(here)


@pytest.mark.parametrize("loop", LOOPS)
async def test_an_id_whose_history_is_elsewhere_is_one_conversation(serve: Serve, loop: str) -> None:
    """New messages alone under an id, as voice bots and automated loops send them, however often they say the same."""
    here, id_ = await split(serve), {"x-session-id": "one"}
    for number in range(12):
        await ask(here, {"messages": [user(("continue", "yes", "the task")[number % 3])]})
    assert len({(await ask(here, {"messages": messages}, id_))[0] for messages in LOOPS[loop]}) == 1


@pytest.mark.parametrize(
    "rewritten",
    [lambda text: text.split("</think> ")[1], lambda text: f"Assistant: {text}", lambda text: text[:60].upper().lower(),
     lambda text: text[-60:], lambda text: text.replace(" ", "\n ")],
    ids=["without thinking", "with a name", "cut", "cut at its beginning", "spaced"],
)  # fmt: skip
async def test_an_answer_that_its_client_changes_is_known(serve: Serve, rewritten: Any) -> None:
    """Without its thinking, cut, or with a name before it; also in the turn after that."""
    here, moved = await split(serve), 0
    for number in range(45):
        said = f"<think>hm, {number}</think> it is {number}. " + "".join(f"{number * each} " for each in range(40))
        here.standin.behave("good", ModelBehaviour(chunks=1, chunk_text=said))
        version, told = await ask(here, {"messages": [user("hi")]})
        turns = [user("hi"), assistant(rewritten(told)), user("more"), assistant("well"), user("and more")]
        moved += number >= 10 and any([(await ask(here, {"messages": turns[:n]}))[0] != version for n in (3, 5)])
    assert moved == 0
