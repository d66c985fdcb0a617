"""What keeps a conversation together when the client names it, and when it does not."""

import json
from typing import Any

import pytest

from gateway.calls import Call, Caller
from gateway.conversation import continued_answer, fingerprint_of, name_of, user_of
from gateway.errors import CallerError
from gateway.formats.clients import opening_of
from gateway.json_body import Document

HELLO = {"role": "user", "content": "Where is my order?"}
ANSWER = {"role": "assistant", "content": "On its way."}
NEXT = {"role": "user", "content": "Thanks."}


def call(
    *messages: Any,
    caller: str = "app",
    header: str = "",
    session: str = "",
    affinity: str = "",
    key: bytes = b"k",
    **body: Any,
) -> Call:
    document = Document.parse(json.dumps({"model": "agent", "messages": list(messages), **body}).encode())
    return Call(
        id="c", caller=Caller(caller, "default"), agent="agent", pin=None, document=document, stream=False,
        wants_usage=False, headers=[], query="", received_at=0.0, format="openai", conversation_header=header,
        fingerprint_key=key, session_header=session, affinity_header=affinity,
    )  # fmt: skip


def unit(*messages: Any, **more: Any) -> str:
    made = call(*messages, **more)
    return name_of(made) or made.affinity_header or fingerprint_of(made, opening_of(made))


def test_every_turn_of_a_chat_is_one_conversation() -> None:
    """Later turns repeat the first user message: the fingerprint stays, whatever system prompt goes before."""
    first = unit(HELLO)
    assert first == unit(HELLO, ANSWER, NEXT) == unit({"role": "system", "content": "x"}, HELLO, ANSWER, NEXT)
    assert len(first) == 32 and "order" not in first


@pytest.mark.parametrize(
    "other",
    [
        {"caller": "other"},
        {"user": "u"},
        {"safety_identifier": "s"},
        {"prompt_cache_key": "p"},
        {"key": b"x"},
        {"metadata": {"user_id": "u"}},
    ],
)
def test_who_calls_is_part_of_it(other: dict[str, Any]) -> None:
    """The same words of another caller, user, cache key or deployment are another conversation."""
    assert unit(HELLO, **other) != unit(HELLO)
    assert unit(HELLO, **other) == unit(HELLO, ANSWER, NEXT, **other)


def test_a_session_in_the_users_name_keeps_its_conversations_apart() -> None:
    """Two sessions of one user that begin with the same words are two conversations."""
    assert unit(HELLO, user="u_session_1") != unit(HELLO, user="u_session_2")


def test_prompt_cache_key_never_stands_alone() -> None:
    """Apps send one key for everybody: two conversations under one key stay two."""
    assert unit(HELLO, prompt_cache_key="app") != unit(NEXT, prompt_cache_key="app")


@pytest.mark.parametrize(
    "named",
    [
        {"header": "c-1"}, {"conversation": "c-1"}, {"conversation": {"id": "c-1"}},
        {"metadata": {"conversation_id": "c-1"}}, {"metadata": {"session_id": 7, "thread_id": "c-1"}},
        {"session": "c-1"}, {"affinity": "c-1"},
        {"header": "c-1", "session": "c-2", "metadata": {"user_id": "u_session_c-3"}},
        {"metadata": {"user_id": "user_0f_account_1a_session_c-1"}, "session": "c-2"},
        {"metadata": {"user_id": '{"device_id": "d", "session_id": "c-1"}'}, "conversation": "c-2"},
        {"metadata": {"user_id": "{broken"}, "session": "c-1", "affinity": "c-2", "conversation": "c-3"},
    ],
)  # fmt: skip
def test_named_by_the_client(named: dict[str, Any]) -> None:
    """An id of the client's wins over what is said."""
    assert unit(HELLO, **named) == unit(NEXT, **named) == "c-1"


def test_a_users_id_of_no_session_names_no_conversation() -> None:
    """Nor does what only looks like Claude Code's; it tells users apart who begin alike."""
    for user in ("kim", "{}", "[", '{"session_id": 7}'):
        assert unit(HELLO, metadata={"user_id": user}) != unit(NEXT, metadata={"user_id": user})
        assert unit(HELLO, metadata={"user_id": user}) != unit(HELLO)


def test_an_affinity_is_for_routing_alone() -> None:
    """A proxy may set one value for everybody; people's replies must not follow it."""
    assert name_of(call(HELLO, affinity="c-1")) == ""


@pytest.mark.parametrize("odd", [{"conversation": 7}, {"conversation": {}}, {"metadata": "x"}, {"metadata": {}}])
def test_names_of_the_wrong_kind(odd: dict[str, Any]) -> None:
    """What is no name is passed over."""
    assert unit(HELLO, **odd) == unit(HELLO)


def test_long_names_are_cut() -> None:
    """Two names that differ at their end alone are two conversations; `routing` makes them short."""
    assert unit(header="x" * 10_000) != unit(header="x" * 10_001)


@pytest.mark.parametrize("messages", [[], [7, None, {}], [ANSWER], [{"role": "user"}]])
def test_without_a_user_message(messages: list[Any]) -> None:
    """A call without words of a user is still of its caller's."""
    assert unit(*messages) != unit(*messages, caller="other")


def test_content_in_parts() -> None:
    """Content in parts, lone surrogates included, makes a fingerprint too."""
    parts = {"role": "user", "content": [{"type": "text", "text": "\ud83d"}]}
    assert unit(parts) == unit(parts, ANSWER) != unit(HELLO)
    assert unit({"role": "user", "content": "\ud83d"}) != unit(HELLO)


def test_content_that_is_too_deep() -> None:
    """Content too deep to be looked at is the caller's error."""
    content: list[Any] = []
    for _ in range(100_000):
        content = [content]
    deep = call(HELLO)
    deep.document.values["messages"] = [{"role": "user", "content": content}]
    with pytest.raises(CallerError):
        opening_of(deep)
    while content:
        content = content.pop()


@pytest.mark.parametrize(
    ("body", "is_known"),
    [
        ({"previous_response_id": "resp_1"}, True), ({"previous_response_id": None}, False), ({}, False),
        ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, True),
        ({"thread": {"type": "create"}}, False), ({"thread": 7}, False),
    ],
)  # fmt: skip
def test_what_the_provider_holds_is_continued_by_an_answers_id(body: dict[str, Any], is_known: bool) -> None:
    """A response's, or that of a message of a thread."""
    assert bool(continued_answer(call(HELLO, **body))) is is_known


@pytest.mark.parametrize(
    ("body", "user"),
    [
        ({}, ""), ({"user": "u"}, "u"), ({"user": "u", "safety_identifier": "s"}, "s"), ({"user": 7}, ""),
        ({"metadata": {"user_id": "u"}}, "u"), ({"metadata": {"user_id": "u"}, "user": "v"}, "v"),
        ({"metadata": {"user_id": 7}}, ""), ({"metadata": "u"}, ""), ({"user": "u_session_3"}, "u"),
    ],
)  # fmt: skip
def test_user(body: dict[str, Any], user: str) -> None:
    """The end user, where the client names one."""
    assert user_of(call(**body).document) == user
