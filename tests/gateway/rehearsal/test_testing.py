"""The fixtures for tests of apps: an app's own test starts a gateway, breaks its provider, and watches a canary go."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.rehearsal.testing import Rehearsal, RehearsalFailed, rehearsing
from tests.architecture import ROOT
from tests.support.running import write

pytestmark = [pytest.mark.process, pytest.mark.socket, pytest.mark.redis]

CALLERS = (("app", "0"), ("batch", "1"), ("desk", "2"))
CONFIGURATION = {
    "gateway.yaml": {
        "providers": {
            "openai": {},
            "anthropic": {"api_key": "${REAL_KEY}"},
            "cloud": {"preset": "bedrock", "region": "eu-central-1"},
        },
        "keys": {name: {"sha256": digit * 64, "agents": ["support", "twins", "cloud"]} for name, digit in CALLERS},
        "notify": [{"url": "https://pager.example.com", "on": ["roll_back"]}],
        "store": "redis://store.example.com",
    },
    "routing.yaml": {
        "agents": {
            "support": {"stable": "v1", "fallback": ["anthropic/claude-sonnet-4-6"]},
            "twins": {"stable": "v1"},
            "cloud": {"stable": "v1"},
        }
    },
    "agents/support/v1.yaml": {"model": "openai/gpt-5.4", "system_prompt": "Be kind."},
    "agents/support/v2.yaml": {"model": "openai/gpt-5.4-mini", "system_prompt": "Be kind."},
    "agents/twins/v1.yaml": {"model": "openai/gpt-5.1"},
    "agents/twins/v2.yaml": {"extends": "v1", "temperature": 0.2},
    "agents/cloud/v1.yaml": {"model": "cloud/anthropic.claude-sonnet-4-5"},
}


def ask(
    rehearsal: Rehearsal, agent: str, text: str = "Where is my order?", caller: str = "app"
) -> tuple[int, dict[str, object]]:
    """A call as an app makes it."""
    connection = HTTPConnection(urlsplit(rehearsal.url).netloc, timeout=60)
    body = json.dumps({"model": agent, "messages": [{"role": "user", "content": text}]})
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {rehearsal.keys[caller]}"})
    answer = connection.getresponse()
    status, content = answer.status, json.loads(answer.read())
    connection.close()
    return status, content


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    """A gateway with a copy of an app's configuration."""
    with rehearsing(write(tmp_path / "config", CONFIGURATION)) as found:
        yield found


def test_an_outage_is_rehearsed_with_the_configuration_of_the_app(rehearsal: Rehearsal) -> None:
    """Every provider is the stand-in, in its own wire format; while the first fails the fallback answers."""
    assert [ask(rehearsal, agent)[0] for agent in ("support", "twins", "cloud")] == [200, 200, 200]
    with rehearsal.failing("support@v1", status=503):
        status, answer = ask(rehearsal, "support")
        assert (status, answer["model"]) == (200, "claude-sonnet-4-6") and rehearsal.requests()[-1][
            "path"
        ] == "/v1/messages"
    with rehearsal.failing(status=503):
        assert ask(rehearsal, "support")[0] >= 500
    with rehearsal.behaving("support@v1", chunk_text="Shipped. ", chunks=1):
        assert "Shipped." in json.dumps(ask(rehearsal, "support")[1])
    assert "Shipped." not in json.dumps(ask(rehearsal, "support")[1])


def test_nothing_real_is_used(rehearsal: Rehearsal) -> None:
    """The copy names no real address, key, store or receiver."""
    written = (rehearsal.config / "gateway.yaml").read_text()
    assert "example.com" not in written and "REAL_KEY" not in written
    ask(rehearsal, "support")
    assert all("made-up" in json.dumps(each["headers"]) for each in rehearsal.requests())


def test_a_bad_canary_is_rehearsed(rehearsal: Rehearsal) -> None:
    """It gets its share, fails, and is rolled back; the test waits for it, and sees the evidence."""
    rehearsal.start_canary("support", "v2", weight="50%")
    with rehearsal.failing("support@v2"):
        for number in range(60):
            ask(rehearsal, "support", f"Where is order {number}?", CALLERS[number % 3][0])
        status = rehearsal.wait_for("support", "rolled_back")
    assert status["versions"]["v2"]["requests"] > 0


def test_what_cannot_be_rehearsed_is_said(rehearsal: Rehearsal, tmp_path: Path) -> None:
    """A fault of a model that two versions share, an unknown version, and a phase that does not come."""
    with pytest.raises(RehearsalFailed, match="same model as v1"), rehearsal.failing("twins@v2"):
        pass
    with pytest.raises(RehearsalFailed, match=r"known: .*support@v2"), rehearsal.failing("support@v9"):
        pass
    with pytest.raises(RehearsalFailed, match=r"support is .* and not rolled_back"):
        rehearsal.wait_for("support", "rolled_back", seconds=0.1)
    broken = write(tmp_path / "broken", {**CONFIGURATION, "routing.yaml": {"agents": {"support": {}}}})
    with pytest.raises(RehearsalFailed, match="gateway gave up with exit code 2"), rehearsing(broken):
        pass


APP_TEST = """
import json, urllib.request

def ask(serinus, text):
    body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": text}]}).encode()
    with urllib.request.urlopen(f"{serinus.base_url}/chat/completions", body, timeout=60) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]

def test_the_app_is_answered(serinus):
    with serinus.behaving(chunk_text="Shipped. ", chunks=2):
        assert ask(serinus, "Where is my order?").strip() == "Shipped. Shipped."
    with serinus.slow(0.2):
        assert ask(serinus, "And now?")

async def test_in_an_event_loop(serinus):
    serinus.start_canary("assistant", "v2", weight="50%")
    with serinus.failing("assistant@v2"):
        for number in range(40):
            try:
                ask(serinus, f"Where is order {number}?")
            except urllib.error.HTTPError:
                pass
        status = serinus.wait_for("assistant", "rolled_back")
    assert "error_rate" in status["reason"]
"""


def test_pytest_knows_the_fixture(tmp_path: Path) -> None:
    """An app's test asks for `serinus`, in a plain test and in one with an event loop, and needs no configuration."""
    (tmp_path / "test_app.py").write_text(APP_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "gateway.rehearsal.testing.plugin", "-p", "no:cacheprovider"]
    command += ["-o", "asyncio_mode=auto", "--rootdir", str(tmp_path), str(tmp_path)]
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environ)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
