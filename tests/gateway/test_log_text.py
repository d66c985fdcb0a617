"""Log lines for people: what a call, a failure and a decision look like, and that nothing in them is obeyed."""

import io
import json
from typing import Any

import pytest

from gateway import logs
from gateway.log_text import TextOutput, as_text
from gateway.terminal import Palette

CALL: dict[str, Any] = {
    "event": "call", "id": "c-1", "request_id": None, "caller": "app", "agent": "support", "version": "v2",
    "reason": "split", "arm": "canary", "censored": False, "held": False, "stream": False, "end": "answered",
    "status": 200, "failed": False, "failure": None, "why": None, "hedge": None,
    "attempts": [["p/m", 200, None]], "latency": 0.412, "ttft": None, "input_tokens": 310, "cached_tokens": 0,
    "output_tokens": 46, "estimated": False, "cost_usd": 0.00131, "replica": "r", "level": "info", "at": 0.0,
}  # fmt: skip
FAILURE = {"target": "p/m", "status": 503, "failure": "status", "message": "overloaded\x1b[2J\nnow", "code": None}
DECISION: dict[str, Any] = {
    "event": "decision", "agent": "support", "action": "roll_back", "epoch": 3, "phase": "rolled_back", "weight": 500,
    "actor": "controller", "reason": "error_rate <= 20%", "level": "warning", "at": 0.0,
}  # fmt: skip


def shown(**members: Any) -> list[str]:
    """The lines of a call with these members, without their colours and times."""
    first, *more = as_text({**CALL, **members}, Palette()).splitlines()
    return [first.partition(" ")[2], *map(str.strip, more)]


def test_a_call_is_one_line() -> None:
    """Agent, version and arm; status; latency; cost."""
    assert shown() == ["support v2 canary  200  412 ms  $0.00131"]
    assert shown(ttft=0.1, cost_usd=None) == ["support v2 canary  200  412 ms, first token 100 ms  cost unknown"]
    assert shown(agent=None, version=None, model="p/m", arm=None) == ["p/m  200  412 ms  $0.00131"]
    assert shown(arm=None, reason="pin") == ["support v2 pin  200  412 ms  $0.00131"]
    assert shown(event="shadow", arm=None, reason="shadow") == ["support v2 shadow  200  412 ms  $0.00131"]


def test_a_failure_says_which_target_and_which_call() -> None:
    """The provider's words stay on their line, and none is obeyed."""
    lines = shown(end="failed", status=502, failures=[FAILURE], hedge="lost")
    assert lines == [
        "support v2 canary  502 failed  412 ms  $0.00131  hedge lost",
        "p/m 503 status: overloaded\\x1b[2J\\nnow",
        "call c-1",
    ]


def test_a_fallback_is_named() -> None:
    """The client got an answer, from another target."""
    attempts = [["p/m", 503, "status"], ["q/n", 200, None]]
    lines = shown(attempts=attempts, failures=[{**FAILURE, "message": None}])
    assert lines[0].endswith("  fallback") and lines[1:] == ["p/m 503 status", "call c-1"]


def test_a_client_that_left_is_no_failure() -> None:
    """There may be no status."""
    assert shown(end="client_gone", status=None)[0].startswith("support v2 canary  – client gone")


def test_a_decision_says_who_and_why() -> None:
    """With the weight as a share, and the page where one is known."""
    first, *more = as_text(
        {**DECISION, "most_often": "3 × \x07", "page": "http://x/status/support"}, Palette()
    ).splitlines()
    assert first.endswith("support: roll back by controller, canary at 5 %, epoch 3")
    assert [line.strip() for line in more] == ["error_rate <= 20%", "most often: 3 × \\x07", "http://x/status/support"]
    without = as_text({**DECISION, "phase": None, "action": "start"}, Palette())
    assert "canary" not in without.splitlines()[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"event": "record_applied", "agent": "a", "epoch": 2, "phase": "running", "weight": 500, "action": "start"},
         ["a: record 2 is in use here, canary at 5 %"]),
        ({"event": "refused", "status": 404, "code": "model_not_found", "message": "no\x1b", "method": "POST",
          "path": "/v1/x", "client": "127.0.0.1", "caller": "", "unlogged": 3},
         ["refused 404 POST /v1/x from 127.0.0.1: no\\x1b  (and 3 more)"]),
        ({"event": "passed", "id": "c", "caller": "app", "provider": "p", "method": "POST", "end": "answered",
          "status": 200, "latency": 0.085, "failures": []}, ["p POST  200  85 ms"]),
        ({"event": "passed", "provider": "p", "method": "GET", "end": "failed", "status": None, "latency": 1.5,
          "failures": [FAILURE, FAILURE]},
         ["p GET  – failed  1.5 s", "2 × p/m 503 status: overloaded\\x1b[2J\\nnow"]),
        ({"event": "serving", "listen": "127.0.0.1:8080"}, ["serving at 127.0.0.1:8080"]),
        ({"event": "stopped"}, ["stopped"]),
        ({"event": "configuration", "agents": 2, "digest": "d"}, ["configuration in use, agents: 2"]),
        ({"event": "configuration_refused", "problems": list("abcdefg")},
         ["configuration refused; the previous one stays in use", *"abcde", "and 2 more; see 'serinus check'"]),
        ({"event": "target_misconfigured", "target": "p/m", "agent": "a", "why": "401", "do": "set the key"},
         ["p/m cannot serve a: 401", "set the key"]),
        ({"event": "store_away", "level": "error", "agent": "a", "error": "refused"},
         ["store away: refused  agent=a"]),
        ({"event": "memory", "level": "warning", "message": "none\x1b", "count": 2}, ["memory: none\\x1b  count=2"]),
        ({"event": "bug", "level": "error", "exception": "Traceback\n  \x1b[1m"}, ["bug", "Traceback", "\\x1b[1m"]),
    ],
)  # fmt: skip
def test_events_are_words(line: dict[str, Any], words: list[str]) -> None:
    """Known ones in a sentence, others by name, message and members."""
    first, *more = as_text({"level": "info", "at": 0.0, "replica": "r", **line}, Palette()).splitlines()
    assert [first.partition(" ")[2], *map(str.strip, more)] == words


def test_what_cannot_be_read_is_written_as_it_is() -> None:
    """A line that lacks a member, or is no JSON, costs no call its answer; its control characters are escaped."""
    output = io.BytesIO()
    lines = [b'{"event":"call","at":0}', b"\x1b[2J", b"[]", json.dumps({"event": "decision", "at": "x"}).encode()]
    data = b"\n".join(lines) + b"\n"
    assert TextOutput(output, Palette(True)).write(data) == len(data)
    assert len(output.getvalue().splitlines()) == 4 and b"\x1b" not in output.getvalue()


def test_a_terminal_without_such_letters_still_gets_the_line() -> None:
    """What its encoding lacks is escaped."""
    output = io.BytesIO()
    TextOutput(output, Palette(), "ascii").write(json.dumps({**DECISION, "reason": "Zürich"}).encode() + b"\n")
    assert b"Z\\xfcrich" in output.getvalue()


def test_the_format_follows_the_output(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON in a pipe, unless text is asked for; the environment asks, too."""
    assert [logs.is_text(form) for form in ("auto", "json", "text")] == [False, False, True]
    assert logs.format_of({}) == "auto" and logs.format_of({"SERINUS_LOG_FORMAT": "text"}) == "text"
    logs.configure(form="text").often(dict(CALL))
    logs.configure(form="text").info("stopped")
    said = capsys.readouterr().out
    assert "stopped" in said and "{" not in said
