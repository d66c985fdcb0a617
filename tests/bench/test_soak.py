"""The fault suite in its bounded form, and that it would notice a broken promise."""

from pathlib import Path
from time import time

import pytest

from bench.soak.books import Case
from bench.soak.clients import Asked, Came, Result
from bench.soak.explain import explanation
from bench.soak.faults import FAULTS
from bench.soak.journal import Entry, Journal
from bench.soak.plan import GAPS, Lane
from bench.soak.promises import Evidence, judge
from bench.soak.report import Row, broken
from bench.soak.run import run
from bench.soak.settings import SPARE, TRIAL
from bench.soak.store import StoreProxy
from bench.soak.world import World
from gateway.rehearsal.standin import EndedCall, Standin
from gateway.rehearsal.standin.books import Bill
from tests.support.redis_servers import ExternalRedis

SEED, SECONDS = 7, 8.0
TARGET = "at-openai/chat"


async def test_every_promise_holds_under_faults_of_every_kind(tmp_path: Path) -> None:
    """Two replicas, all formats, faults that overlap: no unexplained error, books that balance, clean logs."""
    seen = Evidence(await run(tmp_path, SEED, SECONDS))
    assert broken(judge(seen)) == []
    assert {entry.kind for entry in seen.world.journal.entries} >= set(GAPS)
    assert len(seen.ran.callers.results) > 100


@pytest.mark.parametrize("kind", GAPS)
def test_a_seed_draws_the_same_faults_again(kind: str) -> None:
    """Names, pauses and durations; and each of its kind comes before any comes twice as often."""
    lanes = [Lane(kind, 3, 1.0) for _ in range(2)]  # type: ignore[arg-type]  # a kind, by its name
    drawn = [[lane.draw(may_erase=True) for _ in range(60)] for lane in lanes]
    assert drawn[0] == drawn[1]
    assert {due.fault.name for due in drawn[0]} == {name for name, each in FAULTS.items() if each.kind == kind}


def world_with(folder: Path, *entries: Entry) -> World:
    """A world in which nothing runs, with that journal."""
    journal = Journal(folder / "journal.jsonl", list(entries))
    return World(folder, journal, Standin(), ExternalRedis(folder), StoreProxy(1), {}, [])


def refused(
    came: Came, agent: str, *attempts: tuple[str, int | None, str | None], **more: object
) -> tuple[Result, Case]:
    """What a client saw of a call with these attempts."""
    asked = Asked("soak-1.", "openai", agent, str(more.get("key", "app")), False, "", {})
    result = Result(asked, time(), "one-1", time(), came, int(str(more.get("status", 502))))
    return result, Case([result], [{"attempts": attempts}])


def test_an_error_needs_a_fault_that_allows_it(tmp_path: Path) -> None:
    """Of the very target, while it was struck; without one it is unexplained."""
    struck = world_with(tmp_path, Entry("provider hangs", "provider", TARGET, time() - 5, time() - 3))
    failed = refused("refused", "by-chat", (TARGET, None, "timeout"))
    assert explanation(*failed, struck) == "provider hangs"
    assert explanation(*failed, world_with(tmp_path)) == ""
    assert explanation(*refused("refused", "by-gemini", ("at-gemini/gemini", None, "timeout")), struck) == ""


def test_an_error_of_an_agent_with_a_chain_needs_its_end(tmp_path: Path) -> None:
    """A call that never tried the fallback is unexplained, whatever was struck."""
    struck = world_with(tmp_path, Entry("provider down", "provider", "*", time() - 1))
    assert explanation(*refused("refused", TRIAL, ("at-openai/good", 503, "status")), struck) == ""
    chain = (("at-openai/good", 503, "status"), (SPARE, 503, "status"))
    assert explanation(*refused("refused", TRIAL, *chain), struck) == "provider down"


@pytest.mark.parametrize("came", ["wrong", "cut", "lost", "late"])
def test_nothing_of_a_provider_explains_a_silent_end(tmp_path: Path, came: Came) -> None:
    """A clean answer that is not whole, an answer cut without a word, or none: no fault of a provider allows that."""
    struck = world_with(tmp_path, Entry("provider down", "provider", "*", time() - 1))
    assert explanation(*refused(came, "by-chat", (TARGET, 200, "truncated")), struck) == ""


def test_a_machine_that_stands_still_explains_timeouts_alone(tmp_path: Path) -> None:
    """The provider is in the harness: where that got no time, no data came; nothing else is explained by it."""
    still = world_with(tmp_path, Entry("machine stalled", "machine", "", time() - 2, time() + 1))
    assert explanation(*refused("broken", "by-chat", (TARGET, 200, "timeout")), still) == "machine stalled"
    assert explanation(*refused("broken", "by-chat", (TARGET, 200, "truncated")), still) == ""
    assert explanation(*refused("lost", "by-chat"), still) == ""


def test_a_request_that_went_out_again_is_no_attempt_too_many() -> None:
    """A kept connection ended without a byte: the provider has seen two requests, the gateway made one attempt."""
    whole, reset = (EndedCall("chat", b"", fault, True, Bill(1, 0, 1)) for fault in (None, "reset"))
    once = Case(lines=[{"attempts": [(TARGET, 200, None)], "estimated": False}], served=[reset, whole])
    assert (once.sent_again, once.is_estimated) == (1, True)
    assert Case(lines=once.lines, served=[whole, whole]).sent_again == 0


def test_a_limit_is_met_by_its_own_callers_alone(tmp_path: Path) -> None:
    """429 to the key that has one; the same to another key is unexplained."""
    nothing = world_with(tmp_path)
    mine, other = (refused("refused", "by-chat", key=key, status=429) for key in ("few", "app"))
    mine[0].code = other[0].code = "rate_limit_exceeded"
    assert explanation(*mine, nothing) == "limit of few"
    assert explanation(*other, nothing) == ""


def test_a_broken_promise_is_reported_with_examples() -> None:
    """What holds, and what is only measured, is not."""
    rows = [Row("a", "1", True), Row("b", "2", None), Row("c", "3", False, ["this call"])]
    assert broken(rows) == ["BROKEN: c: 3", "    this call"]
