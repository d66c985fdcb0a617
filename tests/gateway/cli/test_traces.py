"""`serinus trace` and `serinus conversations`: the tree as people read it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.cli.traces import tree_lines
from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.rehearsal.standin import ModelBehaviour
from gateway.tool_use import RequestedTool, ReturnedTool
from gateway.traces.record import AttemptRecord, CallRecord
from gateway.traces.tree import tree_of
from tests.support.crowd import Line
from tests.support.running import provider, running, trial, write
from tests.support.traces import T0, asks, brings, made


def lines(*records: CallRecord) -> list[str]:
    return [*tree_lines(tree_of(records, [], lambda caller: True))]


def test_a_tree() -> None:
    """Each step on a line: where a call went, how long it took, what it cost, what it asked for."""
    failed = AttemptRecord("p/m", T0, 0.1, status=503, failure="status")
    first = replace(made("1", 0, 0.4, **asks("a")), arm="canary")
    first = replace(
        first, attempts=(failed, replace(first.attempts[0], target="q/n", is_fallback=True, input_tokens=7))
    )
    found = lines(first, made("2", 0.65, **brings("a"), **asks("b")), made("3", 9, 1.2))
    assert found == [
        "Conversation k “chat” · a v1 (canary), a v1 · 3 calls · 10.2 s · $0.00300",
        "├─ llm       p/m (503) → q/n  400 ms  7→0 tokens  $0.00100  fallback  asked for tool-a",
        "├─ tool      tool-a  250 ms  ok",
        "├─ llm       p/m  1.0 s  5→0 tokens  $0.00100  asked for tool-b",
        "├─ tool      tool-b  no answer",
        "└─ llm       p/m  1.2 s  5→0 tokens  $0.00100",
    ]  # fmt: skip


def test_why_an_attempt_failed() -> None:
    """What the provider said, its code, and its own id of the request stand below the call, for each failed attempt."""
    failed = AttemptRecord(
        "p/m", T0, 0.1, status=503, failure="status", message="overloaded", code="busy", upstream_id="req_1"
    )
    cut = AttemptRecord("p/n", T0, 0.1, status=200, failure="truncated", message="the answer was\ncut")
    answering = made("1", 0).attempts[0]
    found = lines(replace(made("1", 0, 0.4), attempts=(failed, cut, answering)))
    assert found[2:] == [
        "             failed    p/m: overloaded (busy), request req_1",
        "             failed    p/n: the answer was\\ncut",
    ]


def test_what_did_not_go_well() -> None:
    """A tool's error, a client that left, the app's own time, a shadow's copy, and the second total."""
    attempt = AttemptRecord("p/m", T0, 1.0, output_tokens=3, estimated=True, cost_nano_usd=2_000_000, is_answer=True)
    gone = made(
        "2", 1.5, returned=(ReturnedTool("a", is_error=True),), end="client_gone", attempts=(attempt,), status=0
    )
    found = lines(made("1", 0, **asks("a")), gone, made("3", 65, 70), made("3s", 65, reason="shadow"))
    assert "(its answers $0.00400)" in found[0] and found[2] == "├─ tool      tool-a  500 ms  error"
    assert found[3] == "├─ llm       p/m  1.0 s  0→3 tokens (estimated)  $0.00200  client gone"
    assert found[4] == "├─ app       1 min 2 s" and found[5].startswith("└─ llm       p/m  1 min 10 s")
    assert found[6] == "             shadow    v1  1.0 s  $0.00100"


def test_a_sub_agent_is_a_branch() -> None:
    """With a tree of its own."""
    found = lines(made("1", 0), made("2", 2, sub_agent="explorer"))
    assert found[2:] == [
        "└─ sub-agent explorer",
        "   Conversation k “chat” · a v1 · 1 call · 1.0 s · $0.00100",
        "   └─ llm       p/m  1.0 s  5→0 tokens  $0.00100",
    ]  # fmt: skip


def test_small_costs_keep_the_digits_that_matter() -> None:
    """A call of a small model costs less than a hundredth of a cent."""
    (attempt,) = made("1", 0).attempts
    found = lines(made("1", 0, attempts=(replace(attempt, cost_nano_usd=69_000),)))
    assert found[0].endswith("$0.0000690") and found[1].endswith("$0.0000690")


def test_a_name_makes_no_line_of_its_own() -> None:
    """Names of tools are a model's words: line ends and what a terminal obeys are written as escapes."""
    evil = "a\n└─ llm\x1b[2J\r"
    found = lines(made("0", 0), made("1", 2, sub_agent=evil, requested=(RequestedTool("a", evil),)))
    assert all(line.isprintable() for line in found) and len(found) == 6
    assert sum("a\\n└─ llm\\x1b[2J\\r" in line for line in found) == 3


async def test_both_commands(tmp_path: Path, redis_url: str, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As an operator uses them: the list leads to the tree, and so does the id of a call."""
    async with (
        provider(good=ModelBehaviour()) as standin,
        running(write(tmp_path, trial(agent, standin, "0%")), redis_url) as served,
    ):
        line, url = Line(served.url), ["--url", served.url]
        said = await line.chat(agent, "hello")
        line.close()
        assert await asyncio.to_thread(main, ["conversations", agent, *url]) == 0
        (listed,) = [each for each in capsys.readouterr().out.splitlines() if "call" in each and "$" in each]
        for name in (listed.split("  ")[1].split(" ")[0], said.headers["x-serinus-call-id"]):
            assert await asyncio.to_thread(main, ["trace", name, *url]) == 0
            assert "└─ llm       standin/good" in capsys.readouterr().out
        assert await asyncio.to_thread(main, ["trace", "nobody", *url]) == 1
        assert "no conversation 'nobody' is kept" in capsys.readouterr().err
        assert await asyncio.to_thread(main, ["conversations", "--unanswered", "--json", *url]) == 0
        assert '"conversations"' in capsys.readouterr().out


def test_what_was_said() -> None:
    """Each message once and each answer under its call; a terminal obeys none of it."""
    user = ContentMessage("user", (ContentPart("text", "Where's my order?\n\x1b[31mred"),))
    asks_tool = ContentMessage("assistant", (ContentPart("tool_call", '{"id":7}', "c1", "find"),))
    result = ContentMessage("tool", (ContentPart("tool_result", "lost", "c1", "find", error=True),))
    answer = ContentMessage("assistant", (ContentPart("text", "Gone."), ContentPart("media", "image image/png")))
    contents = {
        "1": CallContent((user,), asks_tool),
        "2": CallContent((user, asks_tool, result), answer, left_out=2, complete=False),
    }
    found = [*tree_lines(tree_of([made("1", 0), made("2", 2)], [], lambda caller: True, contents))]
    assert found[1:4] == [
        "├─ user      “Where's my order?",
        "├─            \\x1b[31mred”",
        "├─ llm       p/m  1.0 s  5→0 tokens  $0.00100",
    ]
    assert found[4:] == [
        "│            calls find({\"id\":7})",
        "├─ app       1.0 s",
        "├─           … 2 earlier messages left out",
        "├─ tool      error of find: “lost”",
        "└─ llm       p/m  1.0 s  5→0 tokens  $0.00100",
        "             “Gone.”",
        "             [image image/png]",
        "             … (not whole)",
    ]  # fmt: skip


async def test_texts_are_asked_for(
    tmp_path: Path, redis_url: str, agent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the option alone."""
    async with (
        provider(good=ModelBehaviour()) as standin,
        running(write(tmp_path, trial(agent, standin, "0%", record_content="all")), redis_url) as served,
    ):
        line, url = Line(served.url), ["--url", served.url]
        said = await line.chat(agent, "where is it?")
        line.close()
        call_id = said.headers["x-serinus-call-id"]
        assert await asyncio.to_thread(main, ["trace", call_id, *url]) == 0
        assert "where is it?" not in capsys.readouterr().out
        assert await asyncio.to_thread(main, ["trace", call_id, "--content", *url]) == 0
        shown = capsys.readouterr().out
    assert "├─ user      “where is it?”" in shown and "“cheep" in shown
