"""The command line: exit codes, words instead of tracebacks, and nothing that a terminal would obey."""

import asyncio
import getpass
import itertools
import json
import os
import re
import signal
import socket
import sys
import threading
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from time import time
from types import SimpleNamespace

import pytest

from gateway import __version__
from gateway.cli.client import Operator, Overtaken
from gateway.cli.main import _parser as parser
from gateway.cli.main import main
from gateway.rollout.status_view import ConfigView, StoreView
from policies.rollout.verbs import Command
from tests.support.listening import listening
from tests.support.running import ADMIN_TOKEN, Running, provider, running, trial, write
from tests.support.views import DECISION, agent_view, status_view, with_every_text
from tests.support.waiting import SOON

TRIAL = {
    "gateway.yaml": {"providers": {"p": {"api": "openai", "base_url": "http://127.0.0.1:9/v1"}}},
    "routing.yaml": {"agents": {"support": {"stable": "v1"}}},
    "agents/support/v1.yaml": {"model": "p/m"},
}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERINUS_ADMIN_TOKEN", ADMIN_TOKEN)


@pytest.fixture
async def served(tmp_path: Path, redis_url: str, agent: str) -> AsyncIterator[Running]:
    async with provider() as standin, running(write(tmp_path, trial(agent, standin)), redis_url) as served:
        yield served


async def run(*arguments: str) -> int:
    """The exit code of the command, run beside the gateway that it asks."""
    return await asyncio.to_thread(main, arguments)


@asynccontextmanager
async def answering(text: bytes) -> AsyncIterator[str]:
    """The URL of a server that says this to everybody."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)

    async with listening(say) as port:
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def interposed(served: Running, agent: str) -> AsyncIterator[str]:
    """The URL of the gateway, where somebody pauses the rollout just before an answer to the first request."""
    questions = itertools.count()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, gateway = await asyncio.open_connection(*served.url.removeprefix("http://").split(":"))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        gateway.write(re.sub(rb"(?i)connection: \S+", b"connection: close", head) + await reader.readexactly(length))
        answer = await answers.read()
        if next(questions) == 0:
            command = Command("pause", "ann", "the phones are ringing")
            await served.gateway.services.commands.act(agent, 1, command)
        writer.write(answer)
        gateway.close()

    async with listening(carry) as port:
        yield f"http://127.0.0.1:{port}"


def json_answer(value: object) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (len(body), body)


async def test_status_says_how_every_agent_is(served: Running, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For a terminal: phase, weight, versions, targets without a price (after a reload, too), guardrails, evidence."""
    served.gateway.services.runtime.prices.miss(agent, "standin/good")
    served.gateway.apply(served.gateway.deployment)
    capsys.readouterr()
    assert await run("status", "--url", served.url) == 0
    said = capsys.readouterr().out
    assert f"{agent}: running, canary at 50 %, epoch 1" in said
    assert "no known price, not in the costs: standin/good\n" in said
    assert f"serinus {__version__}" in said and "store redis ok" in said and "error_rate <= stable * 1.25" in said


async def test_status_of_one_agent_as_json(served: Running, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the endpoint says, to be read by programs."""
    capsys.readouterr()
    assert await run("status", agent, "--json", "--url", served.url) == 0
    assert list(json.loads(capsys.readouterr().out)["agents"]) == [agent]


async def test_audit_prints_one_event_a_line(served: Running, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In words, newest first, with the page; `--json` has the events as they were sealed."""
    capsys.readouterr()
    assert await run("audit", agent, "--url", served.url) == 0
    event, _, page = capsys.readouterr().out.splitlines()
    assert "  start       configuration  50 %, epoch 1: v2 on trial" in event
    assert page == f"page: {served.url}/status/{agent}"
    assert await run("audit", agent, "--json", "--url", served.url) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["action"] == "start"


@pytest.mark.parametrize(
    "arguments",
    [("status", "nobody"), ("audit", "nobody"), ("rollout", "retry", "nobody", "--reason", "why not")],
)
async def test_an_unknown_agent_is_a_no(
    served: Running, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and the gateway's own words."""
    assert await run(*arguments, "--url", served.url) == 1
    assert "there is no agent 'nobody'; known: agent-" in capsys.readouterr().err


async def test_a_mistyped_agent_is_recognised(served: Running, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the names that the gateway has."""
    for command in (("status",), ("audit",), ("wait", "--for", "ended")):
        assert await run(*command, agent[:-1], "--url", served.url) == 1
        assert f"there is no agent '{agent[:-1]}'; did you mean '{agent}'?" in capsys.readouterr().err


async def test_a_wrong_token_is_a_no(
    served: Running, agent: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1; the token is not repeated."""
    monkeypatch.setenv("SERINUS_ADMIN_TOKEN", "guessed-token")
    assert await run("rollout", "retry", agent, "--reason", "r", "--url", served.url) == 1
    said = capsys.readouterr().err
    assert "wrong admin token" in said and "guessed" not in said
    assert "the gateway makes a token at each start, and prints it as SERINUS_ADMIN_TOKEN=" in said


async def test_who_was_slower_is_told_how_it_stands(
    served: Running, agent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody acts between this command's look and its order: nothing is done, it says so, and exits with 1."""
    async with interposed(served, agent) as url:
        assert await run("rollout", "promote", agent, "--reason", "all is well", "--to-end", "--url", url) == 1
    (out, told) = capsys.readouterr()
    assert out == "" and "Nothing was changed: another change came first." in told
    assert f"{agent} is at epoch 2, not 1: the phones are ringing" in told
    assert f"{agent}: v2 is paused at 50 % of the traffic, over v1." in told and "pause by ann" in told
    assert served.gateway.services.controller.store_ok and "Traceback" not in told


async def test_a_412_of_somebody_else_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    """It says no more than that."""
    said = json_answer({"agents": {"a": {"epoch": 1}}, "error": {"message": "odd"}})
    async with answering(said.replace(b"200 OK", b"412 Odd")) as url:
        with pytest.raises(Overtaken, match="odd") as caught:
            await asyncio.to_thread(Operator(url, "").status, "a")
    assert caught.value.state is None and caught.value.code == 1


@pytest.mark.socket
async def test_no_gateway_is_a_no(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and where nobody answered."""
    assert await run("status", "--url", "http://127.0.0.1:1") == 1
    assert "no gateway answers at http://127.0.0.1:1" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["ftp://host", "host:80", "http://[::1", "http://127.0.0.1:x", "http://a b"])
async def test_a_url_that_cannot_be_asked_is_wrong_usage(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and one line that repeats it."""
    assert await run("status", "--url", url) == 2
    said = capsys.readouterr().err
    assert url in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("folder", ["refused", "x" * 300])
async def test_a_file_without_a_readable_token_stops_nothing(
    tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most gateways want no token of `status`; where one does, its 401 comes with why the file was not read."""
    (tmp_path / "refused").mkdir()
    (tmp_path / "refused/.env").write_text("SERINUS_ADMIN_TOKEN = spaced\n")
    monkeypatch.setenv("SERINUS_CONFIG", str(tmp_path / folder))
    monkeypatch.setenv("SERINUS_ADMIN_TOKEN", "")
    nobody = json_answer({"error": {"message": "there is no agent"}})
    for status, is_named in ((b"404 Not Found", False), (b"401 Unauthorized", True)):
        async with answering(nobody.replace(b"200 OK", status)) as url:
            assert await run("status", "--url", url) == 1
        said = capsys.readouterr().err
        assert "there is no agent" in said and (f"{folder}/.env" in said) is is_named and "spaced" not in said


async def test_a_token_that_cannot_be_sent_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line break was copied along with it."""
    monkeypatch.setenv("SERINUS_ADMIN_TOKEN", "token\nx-evil: 1")
    assert await run("status", "--url", "http://127.0.0.1:1") == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer, code",
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", 2),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", 2),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\noh!", 1),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{", 2),
        (b"220 smtp ready\r\n", 2),
        (b"", 1),
    ],
)
async def test_whoever_else_answers_gets_no_traceback(
    answer: bytes, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page, a list, a broken proxy, a cut answer, another protocol, a hang-up."""
    async with answering(answer) as url:
        assert await run("status", "--url", url) == code
    assert len(capsys.readouterr().err.splitlines()) == 1


async def test_the_token_follows_no_redirect(capsys: pytest.CaptureFixture[str]) -> None:
    """It is for the gateway that was named, and for nobody that this one names."""
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))

    async with listening(listen) as port:
        redirect = f"HTTP/1.1 307 T\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n".encode()
        async with answering(redirect) as url:
            assert await run("status", "--url", url) == 1
    assert asked == [] and "307" in capsys.readouterr().err


async def test_a_terminal_obeys_nothing_that_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences in a reason, a version or a file's error are shown, not carried out."""
    view = status_view(agent_view(unpriced=("",)), config=ConfigView("", "", ""), store=StoreView("redis", False, ""))
    hostile = with_every_text(view, "\x1b[2J\x9b31m\r\u202e")
    hostile = replace(hostile, gateway=replace(hostile.gateway, circuits={"openai/gpt-4o": "half_open"}))
    async with answering(json_answer(asdict(hostile))) as url:
        assert await run("status", "--url", url) == 1  # its files are refused
    said = capsys.readouterr().out
    assert not {"\x1b", "\x9b", "\r", "\u202e"} & set(said) and "\\x1b[2J" in said
    assert "AWAY" in said and "the previous one is in use" in said
    assert "circuit of openai/gpt-4o: half open" in said and "43 rejected" in said


async def test_a_reason_makes_no_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """A person's reason, or a provider's words in it, cannot forge a line of `status` or `explain`."""
    counts = []
    for reason in ("it fails", "it fails\nsupport: completed"):
        decided = replace(DECISION, reason=reason)
        async with answering(json_answer(asdict(status_view(agent_view(reason=reason, last_decision=decided))))) as url:
            for command in (("status",), ("explain", "support")):
                assert await run(*command, "--url", url) == 0
        said = capsys.readouterr().out
        assert ("it fails\\nsupport: completed" in said) is ("\n" in reason)
        counts.append(said.count("\n"))
    assert counts[0] == counts[1]


async def test_a_newer_gateway_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    """Members that this command does not know are passed over, and kept by `--json`."""
    newer = {**asdict(status_view()), "weather": "fine"}
    newer["agents"]["support"]["traces"] = {"kept": 7}
    async with answering(json_answer(newer)) as url:
        assert await run("status", "--url", url) == await run("explain", "support", "--url", url) == 0
        assert "weather" not in capsys.readouterr().out
        assert await run("status", "--json", "--url", url) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(newer))


@pytest.mark.parametrize("command", [("status",), ("explain", "support")])
async def test_an_older_gateway_is_named_as_such(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """One line says which member its status lacks, and that the versions may differ; exit code 2."""
    older = asdict(status_view())
    del older["agents"]["support"]["waits_for"]
    async with answering(json_answer(older)) as url:
        assert await run(*command, "--url", url) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "waits_for: missing" in line and __version__ in line


async def test_a_command_needs_little_of_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    """A rollout is taken back on a gateway of whatever version; what else happened is printed where it is told."""
    standing = {"phase": "rolled_back", "weight": 0.0, "epoch": 7}
    async with answering(json_answer({**standing, "agents": {"support": standing}})) as url:
        assert await run("rollout", "abort", "support", "--reason", "it fails", "--url", url) == 0
        line = "support: rolled_back, weight 0 %, epoch 7\n"
        assert capsys.readouterr().out == f"{line}page: {url}/status/support\n"
    standing["reason"] = "it fails; the exclusion of one caller (c7) ended with the rollout"
    async with answering(json_answer({**standing, "agents": {"support": standing}})) as url:
        assert await run("rollout", "abort", "support", "--reason", "it fails", "--url", url) == 0
        assert capsys.readouterr().out == f"{line}  {standing['reason']}\npage: {url}/status/support\n"


@pytest.mark.parametrize("agents", [None, [], {}, {"support": 1}, {"support": {"epoch": "x"}}])
async def test_a_status_of_no_sense_is_no_traceback(agents: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever answers with other JSON gets one line, and nothing is done."""
    async with answering(json_answer({"agents": agents})) as url:
        assert await run("rollout", "abort", "support", "--reason", "it fails", "--url", url) == 2
        assert await run("explain", "support", "--url", url) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


async def test_a_mutilated_trail_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """An event that lost its members is a problem of the trail: exit code 1, and what it lacks."""
    standing = {"phase": None, "weight": 0.0, "epoch": 7}
    async with answering(json_answer({"agents": {"support": standing}, "events": [{"action": "start"}]})) as url:
        assert await run("audit", "support", "--verify", "--url", url) == 1
    assert "epoch_after" in capsys.readouterr().out


async def test_an_unread_record_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """A canary whose record was not read since the start waits, and why nothing else is known is said."""
    unread = agent_view(phase=None, last_decision=None, reason="the record is not known yet; all calls go to stable")
    async with answering(json_answer(asdict(status_view(unread)))) as url:
        assert await run("explain", "support", "--url", url) == 0
    assert "history is not known here: the record is not known yet" in capsys.readouterr().out


async def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    """`serinus check | head -0`: exit code 0, no traceback, no complaint at the end."""
    write(tmp_path, TRIAL)
    reader, writer = os.pipe()
    os.close(reader)
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    process = await create_subprocess_exec(
        sys.executable, "-m", "gateway", "check", "--config", str(tmp_path), stdout=writer, stderr=PIPE, env=environ
    )
    os.close(writer)
    _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")


def test_a_broken_configuration_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check` and `serve` name file and line, with exit code 2."""
    write(tmp_path, {"gateway.yaml": "providers: {}\n", "routing.yaml": "agents:\n  a: {stable: v1}\n"})
    for verb in ("check", "serve"):
        assert main([verb, "--config", str(tmp_path)]) == 2
        said = capsys.readouterr()
        assert "gateway.yaml:1" in said.out + said.err


def test_a_good_configuration_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`check`: exit code 0, and who would serve what."""
    write(tmp_path, TRIAL)
    assert main(["check", "--config", str(tmp_path)]) == 0
    assert "support" in capsys.readouterr().out


def test_check_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong with its file and line, and what serves, as JSON; the exit codes are the same."""
    write(tmp_path, TRIAL)
    assert main(["check", "--json", "--config", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["valid"] is True and found["agents"] == {"support": ["v1"]} and found["errors"] == []
    (tmp_path / "routing.yaml").write_text("agents:\n  a: {stable: v1}\n")
    assert main(["check", "--json", "--config", str(tmp_path)]) == 2
    found = json.loads(capsys.readouterr().out)
    (problem, *_) = found["problems"]
    assert found["valid"] is False and problem["file"].endswith("/routing.yaml") and problem["line"] == 2


def test_schemas_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the folder that was named; one that cannot be written is wrong usage."""
    assert main(["schema", str(tmp_path / "schema")]) == 0
    assert list((tmp_path / "schema").glob("*.json"))
    (tmp_path / "file").write_text("")
    assert main(["schema", str(tmp_path / "file" / "schema")]) == 2
    assert "file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [(), ("dance",), ("rollout", "retry", "a"), ("rollout", "dance", "a", "--reason", "r"), ("audit",)]
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to do, an unknown command, a missing reason, an unknown verb, a missing agent."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2 and "usage:" in capsys.readouterr().err


def test_a_user_without_a_name_can_still_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a container whose user is in no passwd file, no command may fail for that."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert main(["status", "--url", "ftp://x"]) == 2


def test_ctrl_c_ends_without_a_traceback() -> None:
    """As shells expect it: 128 + SIGINT. The gateway has taken the request, and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as gateway:

        def interrupt() -> None:
            client, _ = gateway.accept()
            with client:
                client.recv(1)
                os.kill(os.getpid(), signal.SIGINT)
                asking.wait(SOON)

        asking, interrupting = threading.Event(), threading.Thread(target=interrupt)
        interrupting.start()
        assert main(["status", "--url", f"http://127.0.0.1:{gateway.getsockname()[1]}"]) == 130
        asking.set()
        interrupting.join()


def test_the_demo_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its packages are an extra; where they are, it decides the exit code."""
    monkeypatch.setitem(sys.modules, "gateway.rehearsal.demo", SimpleNamespace(demo=lambda ends: 7 if ends else 0))
    assert main(["demo", "--exit"]) == 7
    monkeypatch.setitem(sys.modules, "gateway.rehearsal.demo", None)
    assert main(["demo"]) == 2
    assert "serinus[demo]" in capsys.readouterr().err


async def test_escalations(served: Running, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Which conversations wait for people; one that was replied to, and by whom; nothing that a terminal obeys."""
    for call_id in ("c-1", "c-2"):
        event = {"call_id": call_id, "agent": agent, "version": "v1\x1b[2J", "caller": "app", "at": f"{time()}",
                 "failure": "", "conversation": call_id, "messages": "[]"}  # fmt: skip
        await served.gateway.services.store.escalate(agent, event)
    url = ("--url", served.url)
    reply = ("escalations", "reply", "c-1", "--message", "Hello.", "--actor", "kim")
    assert [await run(*reply, *url), await run(*reply, *url)] == [0, 1]
    assert await run("escalations", *url) == await run("escalations", agent, *url) == 0
    said, refused = capsys.readouterr()
    assert said.startswith(f"later turns of that conversation with {agent} will see it\n") and "\x1b" not in said
    assert "the first reply counts" in refused
    assert said.count("c-2  " + agent) == 2 == said.count("waits for a reply")
    assert said.count("kim replied at 20") == 2 == said.count(", not seen yet")


@pytest.mark.parametrize(
    "arguments", [["reply", "c-1"], ["support", "--message", "x"], ["a", "b"], ["--message", "x"], ["a", "b", "c"]]
)
def test_escalations_of_no_sense(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A reply without words, or words without a reply: wrong usage, and nobody is asked."""
    assert main(["escalations", *arguments]) == 2
    assert "escalations reply CALL_ID --message TEXT" in capsys.readouterr().err


@pytest.mark.parametrize(
    "named", [("--errors", "3%", "--rps", "5"), ("--errors", "0.03"), ("--latency", "+25%"), ("--cost", "1.2")]
)
async def test_simulate_takes_what_people_write(
    tmp_path: Path, agent: str, named: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A rate as a share or in percent, a margin as `+25%` or as a factor; the answer is in requests and minutes."""
    async with provider() as standin:
        folder = str(write(tmp_path, trial(agent, standin)))
    assert await run("simulate", agent, "--config", folder, "--runs", "3", *named) == 0
    heading, line = capsys.readouterr().out.splitlines()
    assert heading.split() == ["share", "rolled", "back", "canary", "requests", "minutes"]
    assert line.split()[:2] == ["50%", "100%"]


async def test_a_simulation_as_json(tmp_path: Path, agent: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One object for each step's weight: shares from 0 to 1, requests and minutes at the median and for 95 of 100."""
    async with provider() as standin:
        folder = str(write(tmp_path, trial(agent, standin)))
    assert await run("simulate", agent, "--config", folder, "--runs", "3", "--errors", "30%", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["weight"], found["rolled_back"]) == (0.5, 1.0) and 0 < found["median_requests"] <= found[
        "p95_requests"
    ]
    assert 0 < found["median_minutes"] <= found["p95_minutes"] and len(found) == 6


@pytest.mark.parametrize(
    "named",
    [
        ("--errors", "300%"),
        ("--quality", "good"),
        ("--latency", "0"),
        ("--rps=-1",),
        ("--rps", "nan"),
        ("--runs", "0"),
    ],
)
async def test_simulate_refuses_what_makes_no_sense(
    tmp_path: Path, named: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """In a sentence that names the option and the value, with exit code 2."""
    with pytest.raises(SystemExit) as ended:
        await run("simulate", "any", "--config", str(tmp_path), *named)
    option, value = "=".join(named).split("=")
    assert ended.value.code == 2 and f"argument {option}: {value!r} is n" in capsys.readouterr().err


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`SERINUS_CONFIG=""` is `config/`, as if it were not set, and `SERINUS_URL=""` the usual address."""
    for name in ("SERINUS_CONFIG", "SERINUS_URL", "SERINUS_WORKERS"):
        monkeypatch.setenv(name, "")
    served = parser().parse_args(["serve"])
    assert (str(served.config), served.workers) == ("config", 1)
    assert str(parser().parse_args(["init"]).config) == "config"
    assert parser().parse_args(["status"]).url == parser().parse_args(["standin"]).url == "http://127.0.0.1:8080"
