"""A first hour as a newcomer has it: the commands and files of README and quickstart as they stand there, from a wheel.

The stand-in takes the provider's place, and free ports those of the pages. What needs the network or a checkout (`git
clone`, `make install`, `pip install`) is done before; the pages must still name exactly that.
"""

import os
import pty
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.architecture import ROOT
from tests.support.distribution import install_everything, run_program, stranger_environment

pytestmark = [pytest.mark.process, pytest.mark.socket, pytest.mark.redis, pytest.mark.files]
_DONE_BEFORE = re.compile(r"git clone .*|make install|serinus init|pip install 'serinus\[\w+\]'.*|make demo")
_SERVERS = re.compile(r"serinus (serve|standin --listen \S+)")
_FILE = re.compile(r"`([\w./]+)`( and save)?(?:, which [^`]*)?:\n\n```(?:yaml)?\n(.*?)```", re.DOTALL)
_BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
_START_SECONDS = 30
_ROLLBACK_SECONDS = 90
KEY = "sk-of-the-stand-in"


class Newcomer:
    """A person in a folder with an environment in `.venv`, who does what a page says.

    `said` is what the commands printed, by their block.
    """

    def __init__(self, folder: Path, page: str) -> None:
        self.gateway, self.provider = _free_port(), _free_port()
        self.folder = folder
        self.said: dict[str, str] = {}
        self.history: list[tuple[str, str]] = []
        self._page = page.replace("127.0.0.1:8080", f"127.0.0.1:{self.gateway}")
        self._page = self._page.replace("127.0.0.1:9000", f"127.0.0.1:{self.provider}")
        url, path = f"127.0.0.1:{self.gateway}", f"{folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        variables = {"SERINUS_LISTEN": url, "SERINUS_URL": f"http://{url}", "PATH": path, "OPENAI_API_KEY": KEY}
        self.environ = {**stranger_environment(), **variables}
        self._servers: list[subprocess.Popen[bytes]] = []
        self._shell = self._start("exec bash", folder / "shell.txt", stdin=subprocess.PIPE)

    def follow(self, section: str) -> None:
        """Write the files and run the commands of a section, in their order."""
        text = re.split(r"(?m)^## ", self._page.partition(f"## {section}")[2])[0]
        files = {match.end(): match for match in _FILE.finditer(text)}
        for block in _BLOCK.finditer(text):
            if file := files.get(block.end()):
                before = (self.folder / file[1]).read_text() if file[2] else ""  # two lines for a file that is there
                self.write(file[1], before + file[3])
                if "canary:" in file[3] and _listens(
                    self.gateway
                ):  # a person does not type as fast as the files are read
                    self.wait_for("serinus status", "canary at")
            elif block[1] == "python":
                run_program(str(self.folder / ".venv/bin/python"), "-c", block[2], cwd=self.folder)
            else:
                self._run_block(block[2])

    def write(self, name: str, text: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text)

    def run(self, command: str) -> str:
        """What the commands print, in the shell that all blocks share. Their last exit code must be 0."""
        out, code = self.folder / "out.txt", self.folder / "code.txt"
        code.unlink(missing_ok=True)
        assert self._shell.stdin is not None
        self._shell.stdin.write(
            f"{{\n{command}\n}} > {out} 2>&1; echo $? > {code}.new; mv {code}.new {code}\n".encode()
        )
        self._shell.stdin.flush()
        _wait_until(code.exists, 60, lambda: f"{command}\n{out.read_text()}")
        said = self.said[command] = out.read_text()
        self.history.append((command, said))
        assert code.read_text() == "0\n", f"{command}\n{said}"
        return said

    def wait_for(self, command: str, words: str) -> str:
        """Ask again until the answer has these words."""
        _wait_until(lambda: words in self.run(command), _ROLLBACK_SECONDS, lambda: self.said[command])
        return self.said[command]

    def leave(self) -> None:
        """End what was started, the store last."""
        for process in (self._shell, *reversed(self._servers)):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)  # with what runs in its background
        for process in (self._shell, *self._servers):
            process.communicate(timeout=_START_SECONDS)

    def _run_block(self, text: str) -> None:
        lines = [line for line in text.splitlines() if not _DONE_BEFORE.fullmatch(line.split(" #")[0].strip())]
        servers = [line for line in lines if _SERVERS.match(line)]
        if rest := "\n".join(line for line in lines if line not in servers).strip():
            self.run(rest)
        for line in servers:
            self.serve(line)

    def serve(self, line: str) -> None:
        """Start a server in a terminal of its own, and wait for it as a person does."""
        port = self.gateway if "serve" in line else self.provider
        log = self.folder / f"{port}.txt"
        process = self._start(f"exec {line}", log)
        self._servers.append(process)
        _wait_until(lambda: _listens(port) or process.poll() is not None, _START_SECONDS, log.read_text)
        assert process.poll() is None, log.read_text()

    def _start(self, command: str, log: Path, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        environ = {**self.environ, "SERINUS_CONFIG": "rehearsal" if (self.folder / "rehearsal").is_dir() else "config"}
        with log.open("wb") as out:
            return subprocess.Popen(
                ["bash", "-c", command], cwd=self.folder, env=environ, stdin=stdin, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `.venv` holds both wheels."""
    folder = tmp_path_factory.mktemp("serinus")
    install_everything(folder / ".venv", tmp_path_factory.mktemp("dist"))
    return folder


@pytest.fixture
def newcomer(installed: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Newcomer]:
    """A newcomer in a folder of their own, with the page that the test names."""
    (tmp_path / ".venv").symlink_to(installed / ".venv")
    person = Newcomer(tmp_path, (ROOT / request.param).read_text("utf-8"))
    yield person
    person.leave()


@pytest.mark.parametrize("newcomer", ["docs/quickstart.md"], indirect=True)
def test_the_quickstart_does_what_it_promises(newcomer: Newcomer) -> None:
    """Every command works as written; the canary is rolled back without a client's error, and tried again."""
    for section in ("1. Install", "2. Start", "3. Write", "4. Start the canary"):
        newcomer.follow(section)
    said = newcomer.said
    assert "rehearsal is valid: 1 agent, 1 provider" in said["serinus check"]
    assert "x-serinus-version: v1" in next(text for command, text in said.items() if command.endswith(" -i"))
    load = next(text for command, text in said.items() if command.startswith("serinus standin load"))
    assert "support: running, canary at 5 %" in load and re.search(r"\d+ calls: v1 \d+", load)
    counted = next(text for command, text in said.items() if command.endswith("uniq -c"))
    assert sum(map(int, re.findall(r"(?m)^ *(\d+) x-serinus-version", counted))) == 100
    newcomer.follow("5. Make the canary fail")
    newcomer.wait_for("serinus status", "support: rolled_back")
    assert "  roll back   controller" in newcomer.run("serinus audit support")
    assert "HTTP" not in newcomer.run("cat load.txt")
    newcomer.follow("6. Try again")
    retried = next(text for command, text in said.items() if "rollout retry" in command)
    assert "support: running" in retried


@pytest.mark.parametrize("newcomer", ["README.md"], indirect=True)
def test_the_readme_does_what_it_promises(newcomer: Newcomer) -> None:
    """From `init` over `doctor` and `serve` to a first trial, with one key in the environment."""
    newcomer.serve(f"serinus standin --listen 127.0.0.1:{newcomer.provider} --api-key {KEY}")
    assert _answer_questions(newcomer, "serinus init").count("wrote config/") == 1
    at_the_stand_in = f'openai: {{base_url: "http://127.0.0.1:{newcomer.provider}/v1"}}'
    gateway = (newcomer.folder / "config/gateway.yaml").read_text()
    assert "openai: {}" in gateway
    newcomer.write("config/gateway.yaml", gateway.replace("openai: {}", at_the_stand_in))
    newcomer.follow("Use it")
    said = "".join(newcomer.said.values())
    assert "nothing is broken; 1 call for $" in said
    assert "assistant: running, canary at 5 %" in said
    assert "assistant: paused, weight 5 %, epoch " in said


def _answer_questions(newcomer: Newcomer, command: str) -> str:
    """What a command says at a terminal where every question is answered by its default."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command.split(), cwd=newcomer.folder, env=newcomer.environ, stdin=theirs, stdout=subprocess.PIPE
    )
    os.write(ours, b"\n\n")
    said, _ = process.communicate(timeout=_START_SECONDS)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0, said
    return said.decode()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(holds: Callable[[], bool], seconds: float, describe: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, describe()
        time.sleep(0.05)


@pytest.mark.parametrize("newcomer", ["docs/golden-set.md"], indirect=True)
def test_the_first_golden_set_does_what_it_promises(newcomer: Newcomer) -> None:
    """A prompt without its rule fails, with it three cases are too few, and sixty open the gate."""
    newcomer.follow("2.")
    newcomer.follow("3.")
    first, second = (said for command, said in newcomer.history if "evals/support.yaml" in command)
    assert "Failed: critical case not passed each time" in first and first.endswith("exit code 1\n")
    assert "Too few cases: 3 compared, 59 are needed" in second and second.endswith("exit code 2\n")
    newcomer.follow("4.")
    newcomer.follow("5.")
    waits, passed = (said for command, said in newcomer.history if command.endswith("serinus check"))
    assert "canary 0% pending" in waits and "run 'serinus eval support@v2 --record'" in waits
    assert "Passed: 0 of 60 cases worse" in passed and "canary 5% " in passed and "stays at 0 %" not in passed
