"""The admin plane: who may act, on what they saw, and what they are told when someone was faster."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.rehearsal.standin import ModelBehaviour, Standin
from gateway.store import Sides, Snapshot
from tests.support.crowd import Reply, ask, crowd
from tests.support.faulty_store import answer, lose_reply
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write
from tests.support.waiting import within

TOKEN = f"authorization: Bearer {ADMIN_TOKEN}"
PERSON = {"actor": "kim", "reason": "the provider was at fault"}


@asynccontextmanager
async def with_a_rollback(folder: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    """A gateway whose canary was rolled back."""
    async with provider(bad=ModelBehaviour(error_rate=1.0)) as standin:
        files = trial(agent, standin, weight="90%")
        files["gateway.yaml"] = {"providers": {"standin": {"api": "openai", "base_url": standin.base_url}},
                                 "retries": {"per_target": 0}}  # fmt: skip
        async with running(write(folder, files), redis_url) as served, crowd(served.url) as people:
            for _ in range(20):
                await people.call_often(agent, 10)
            await within(5, lambda: phase(served, agent) == "rolled_back")
            yield served


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    """Such a gateway, to be changed."""
    async with with_a_rollback(tmp_path, redis_url, agent) as served:
        yield served


@dataclass(frozen=True, slots=True)
class Unchanged:
    """One such gateway for all the tests that may change nothing, and its agent."""

    running: Running
    agent: str

    async def retry(self, *headers: str, body: object = PERSON, verb: str = "retry") -> Reply:
        return await retry(self.running, self.agent, *headers, body=body, verb=verb)

    def epoch_and_phase(self) -> tuple[int, str | None]:
        state = self.running.gateway.services.table.seen(self.agent)
        assert state is not None
        return state.epoch, state.phase


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unchanged(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> AsyncIterator[Unchanged]:
    agent = f"agent-{uuid.uuid4().hex[:12]}"
    async with with_a_rollback(tmp_path_factory.mktemp("admin"), redis_url, agent) as running:
        yield Unchanged(running, agent)


def phase(served: Running, agent: str) -> str | None:
    state = served.gateway.services.table.seen(agent)
    return state.phase if state else None


async def retry(served: Running, agent: str, *headers: str, body: object = PERSON, verb: str = "retry") -> Reply:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await ask(served.url, "POST", f"/admin/agents/{agent}/{verb}", text, headers)


def error(reply: Reply) -> Any:
    return json.loads(reply.body)["error"]


async def test_a_person_brings_a_canary_back(served: Running, agent: str) -> None:
    """With the token, the epoch that was seen, a name and a reason: the new status, and all of it on record."""
    reply = await retry(served, agent, TOKEN, "if-match: 2")
    state = json.loads(reply.body)
    assert reply.status == 200 and (state["phase"], state["epoch"], state["weight"]) == ("running", 3, 0.9)
    audit = await ask(served.url, "GET", f"/audit/{agent}", headers=(TOKEN,))
    event = json.loads(audit.body)["events"][0]
    assert (event["actor"], event["reason"], event["action"]) == ("kim", "the provider was at fault", "retry")
    assert (event["epoch_before"], event["epoch_after"]) == (2, 3)


async def test_who_was_slower_gets_the_new_state(served: Running, agent: str) -> None:
    """412 with OpenAI's error body, and the state that the next decision is to be made from."""
    reply = await retry(served, agent, TOKEN, "if-match: 1")
    assert reply.status == 412 and error(reply)["code"] == "epoch_conflict"
    state = json.loads(reply.body)["state"]
    assert (state["epoch"], state["phase"]) == (2, "rolled_back") and state["last_decision"]["evidence"]


async def test_two_people_do_not_both_win(served: Running, agent: str) -> None:
    """Eight act at once on the same epoch: one is heard, the others get the state that this one made."""
    replies = await asyncio.gather(*(retry(served, agent, TOKEN, "if-match: 2") for _ in range(8)))
    assert sorted(reply.status for reply in replies) == [200] + [412] * 7
    assert {json.loads(reply.body)["state"]["epoch"] for reply in replies if reply.status == 412} == {3}
    assert len(await served.gateway.services.store.audit(agent, 10)) == 3


async def test_what_runs_cannot_be_retried(served: Running, agent: str) -> None:
    """409, with the state; nothing is put on record."""
    await retry(served, agent, TOKEN, "if-match: 2")
    reply = await retry(served, agent, TOKEN, 'if-match: "3"')
    assert reply.status == 409 and error(reply)["code"] == "nothing_to_do"
    assert json.loads(reply.body)["state"]["epoch"] == 3


@pytest.mark.parametrize(
    "headers, status",
    [
        (("if-match: 2",), 401),
        (("if-match: 2", "authorization: Bearer wrong"), 401),
        (("if-match: 2", "authorization: Bearer \xff\xfe"), 401),
        (("if-match: 2", f"authorization: Basic {ADMIN_TOKEN}"), 401),
        (("if-match: 2", TOKEN, "origin: https://evil.example"), 403),
        (("if-match: 2", TOKEN, "origin: null"), 403),
        ((TOKEN,), 400),
        ((TOKEN, "if-match: *"), 400),
        ((TOKEN, "if-match: -2"), 400),
        ((TOKEN, "if-match: " + "9" * 5000), 400),
        ((TOKEN, "if-match: " + "9" * 18), 412),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_who_may_not_act_changes_nothing(unchanged: Unchanged, headers: tuple[str, ...], status: int) -> None:
    """No token, a wrong one, a web page, no epoch, nonsense for one."""
    assert (await unchanged.retry(*headers)).status == status
    assert unchanged.epoch_and_phase() == (2, "rolled_back")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"actor": "kim"}, {"reason": "r"}, {"actor": " ", "reason": "r"}, {"actor": 7, "reason": "r"},
        {"actor": "kim", "reason": None}, {"actor": "kim", "reason": "r" * 501}, b"", b"[]", b"{", b"\xff",
    ],
)  # fmt: skip
@pytest.mark.asyncio(loop_scope="module")
async def test_who_and_why_go_on_record(unchanged: Unchanged, body: object) -> None:
    """Without a name and a reason nobody acts."""
    assert (await unchanged.retry(TOKEN, "if-match: 2", body=body)).status == 400
    assert unchanged.epoch_and_phase() == (2, "rolled_back")


async def test_odd_words_are_kept_as_one_line(served: Running, agent: str) -> None:
    """Line breaks become spaces, and half a surrogate pair is written out: every store and log can hold it."""
    body = b'{"actor": "kim", "reason": "one\\r\\ntwo \\ud800"}'
    assert (await retry(served, agent, TOKEN, "if-match: 2", body=body)).status == 200
    (event, *_) = await served.gateway.services.store.audit(agent, 1)
    assert event["reason"] == "one two \\ud800"


async def test_what_is_not_there_is_404(served: Running, agent: str) -> None:
    """Another agent, another verb; only POST acts."""
    assert (await retry(served, "nobody", TOKEN, "if-match: 2")).status == 404
    assert (await retry(served, agent, TOKEN, "if-match: 2", verb="detonate")).status == 404
    assert (await ask(served.url, "GET", "/audit/nobody", headers=(TOKEN,))).status == 404
    assert (await ask(served.url, "GET", f"/admin/agents/{agent}/retry", headers=(TOKEN,))).status == 405


async def test_the_audit_trail_needs_the_token(served: Running, agent: str) -> None:
    """It names people."""
    assert (await ask(served.url, "GET", f"/audit/{agent}")).status == 401


async def test_a_store_that_is_away_is_said(served: Running, agent: str) -> None:
    """503; and where the change was sent already, that it may have been made."""
    served.store.script("commit", lose_reply)
    reply = await retry(served, agent, TOKEN, "if-match: 2")
    assert reply.status == 503 and "it may have been done" in error(reply)["message"]
    with served.store.faulty("snapshot"):
        assert (await retry(served, agent, TOKEN, "if-match: 2")).status == 503


async def test_an_agent_without_a_record_cannot_be_retried(served: Running, agent: str) -> None:
    """404 until its record is there."""
    with served.store.faulty("snapshot", fault=answer(Snapshot(None, Sides(), {}, 0.0))):
        assert (await retry(served, agent, TOKEN, "if-match: 0")).status == 404


async def test_without_a_token_the_admin_plane_is_off(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Then no token is the right one, not even none; a client's key never is."""
    files = trial(agent, Standin())
    files["gateway.yaml"] = {
        "providers": {"standin": {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}},
        "keys": {"web": {"sha256": hashlib.sha256(b"key").hexdigest()}},
    }
    async with running(write(tmp_path, files), redis_url, {"SERINUS_ADMIN_TOKEN": ""}) as served:
        for token in ("", "authorization: Bearer key", TOKEN):
            reply = await retry(served, agent, *filter(None, [token, "if-match: 1"]))
            assert reply.status == 403 and "SERINUS_ADMIN_TOKEN" in error(reply)["message"]


async def test_a_clients_key_is_no_admin_token(tmp_path: Path, redis_url: str, agent: str) -> None:
    """Whoever may call may not act."""
    files = trial(agent, Standin())
    files["gateway.yaml"] = {
        "providers": {"standin": {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}},
        "keys": {"web": {"sha256": hashlib.sha256(b"key").hexdigest()}},
    }
    async with running(write(tmp_path, files), redis_url) as served:
        assert (await retry(served, agent, "authorization: Bearer key", "if-match: 1")).status == 401


@pytest.mark.parametrize(
    ("verb", "more", "word"),
    [
        ("promote", {"weight": "10%"}, "'weight' is for set-weight, not for promote"),
        ("retry", {"to": "end"}, "'to' is for promote, not for retry"),
        ("promote", {"to": "50%"}, "the only value of 'to' is 'end'"),
        ("retry", {"metric": "cost"}, "'metric' is for dismiss, not for retry"),
        ("retry", {"resaon": "x"}, "unknown member 'resaon'; did you mean 'reason'?"),
        ("set-weight", {"weight": "10%", "wieght": "5%"}, "unknown member 'wieght'; did you mean 'weight'?"),
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_a_member_that_a_command_does_not_take_is_refused(
    unchanged: Unchanged, verb: str, more: dict[str, str], word: str
) -> None:
    """Files are read strictly, and so are commands: nothing is done that was not asked for."""
    reply = await unchanged.retry(TOKEN, "if-match: 2", body={**PERSON, **more}, verb=verb)
    assert reply.status == 400 and word in error(reply)["message"] and "nothing was changed" in error(reply)["message"]
    assert unchanged.epoch_and_phase() == (2, "rolled_back")


async def test_a_query_that_the_audit_does_not_know_is_refused(served: Running, agent: str) -> None:
    """`?all=1` would otherwise show a part as if it were the whole."""
    for query, status in (("", 200), ("?all=true", 200), ("?all=1", 400), ("?ALL=true", 400)):
        assert (await ask(served.url, "GET", f"/audit/{agent}{query}", headers=(TOKEN,))).status == status
