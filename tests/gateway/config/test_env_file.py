import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.cli.operate import find_token
from gateway.config import ConfigProblems, add_env_file
from gateway.config.env_file import read_env_file
from tests.gateway.config.folders import FILES, write

PLANTED = "sk-planted"


def values(folder: Path, text: str) -> dict[str, str]:
    write(folder, {".env": text})
    return dict(read_env_file(folder / ".env"))


def test_values_are_read_as_shells_and_compose_read_them(tmp_path: Path) -> None:
    """Comments, `export`, quotes and Windows' line ends mean what they mean there."""
    lines = (
        *("\ufeff# keys", "", "A=sk-1", "export B='two words $x \\\\ \"q\"'\r", 'C="it\'s # in" # out'),
        *("D=x#y", "E=v # out", "F=", "  G=1=2  "),
    )
    assert values(tmp_path, "\n".join(lines)) == {
        "A": "sk-1", "B": 'two words $x \\\\ "q"', "C": "it's # in", "D": "x#y", "E": "v", "F": "", "G": "1=2",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("A", "write NAME=value, without spaces around the equals sign"),
        ("A = 1", "write NAME=value, without spaces around the equals sign"),
        ("1A=1", "write NAME=value, without spaces around the equals sign"),
        (f"A={PLANTED} {PLANTED}", "A has quotes or spaces in its value; put the whole value in single quotes"),
        (f"A='{PLANTED}", "A has quotes or spaces in its value; put the whole value in single quotes"),
        (f"A=${{B}}{PLANTED}", "A holds one of $ ` \\, which is not expanded here; put the value in single quotes"),
        (f'A="{PLANTED}\\n"', "A holds one of $ ` \\, which is not expanded here; put the value in single quotes"),
        ("B=1", "B is set a second time"),
    ],
)
def test_what_two_readers_would_read_differently_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    """With its line, and without its value: it may be a key."""
    with pytest.raises(ConfigProblems) as caught:
        values(tmp_path, f"B=0\n{line}\n")
    assert str(caught.value) == f"{tmp_path / '.env'}:2: {complaint}"


def test_the_process_environment_wins(tmp_path: Path) -> None:
    """A deployment's own variable is never replaced by a file that was left lying about."""
    write(tmp_path, {".env": "A=file\nB=file\n"})
    environ = {"A": "process"}
    add_env_file(environ, tmp_path)
    assert environ == {"A": "process", "B": "file"}


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    """Compose's `${A:-}` sets it to nothing; `serve` then takes the token that operators' commands find in the file."""
    write(tmp_path, {".env": "SERINUS_ADMIN_TOKEN=file\nB=\n"})
    environ = {"SERINUS_ADMIN_TOKEN": "", "B": "process"}
    add_env_file(environ, tmp_path)
    assert environ == {"SERINUS_ADMIN_TOKEN": "file", "B": "process"}


def test_no_file_is_no_problem_unless_it_was_named(tmp_path: Path) -> None:
    """The file of a folder is optional, that of `--env-file` is not."""
    assert add_env_file({}, tmp_path) == ()
    with pytest.raises(ConfigProblems, match="file not found"):
        add_env_file({}, tmp_path, tmp_path / "production.env")


def test_a_folder_that_cannot_be_searched_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a line, in place of a traceback; a file in the folder's place has no `.env`."""
    unreachable = tmp_path / ("x" * 300)  # for every user, root as well
    assert main(["check", "--config", str(unreachable)]) == 2
    assert capsys.readouterr().err == f"{unreachable}/.env: cannot be read: File name too long\n"
    (tmp_path / "file").touch()
    assert add_env_file({}, tmp_path / "file") == ()


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("folder", "is not a regular file"),
        ("fifo", "is not a regular file"),
        ("loop", "cannot be read: Too many levels of symbolic links"),
        ("dangling", "is a symbolic link to nowhere, which does not exist"),
        ("latin-1", "byte 0xe9 is not UTF-8; save the file as UTF-8"),
    ],
)
def test_what_is_no_file_of_variables_is_a_problem(
    tmp_path: Path, kind: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever stands there: no traceback, no wait, and nothing is ignored in silence."""
    path = tmp_path / ".env"
    make: dict[str, Callable[[], object]] = {
        "folder": path.mkdir, "fifo": lambda: os.mkfifo(path), "latin-1": lambda: path.write_bytes(b"A=\xe9\n"),
        "loop": lambda: path.symlink_to(path), "dangling": lambda: path.symlink_to("nowhere"),
    }  # fmt: skip
    make[kind]()
    assert main(["check", "--config", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(str(path)) and said.endswith(f": {why}\n")
    found = find_token("http://127.0.0.1:8080", {"SERINUS_CONFIG": str(tmp_path)})
    assert found.token == "" and found.problem.startswith(str(path))


def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    """It holds keys. The command can be pasted, whatever the folder is called."""
    folder = tmp_path / "my config"
    write(folder, {".env": "A=1\n"})
    (folder / ".env").chmod(0o644)
    assert add_env_file({}, folder) == (
        f"{folder}/.env can be read by other users of this machine: chmod 600 '{folder}/.env'",
    )
    (folder / ".env").chmod(0o600)
    assert add_env_file({}, folder) == ()


@pytest.fixture
def without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without OPENAI_API_KEY, whatever a command adds to it."""
    monkeypatch.setenv("OPENAI_API_KEY", "")
    del os.environ["OPENAI_API_KEY"]


@pytest.mark.usefixtures("without_a_key")
def test_check_reads_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key in `.env` beside the configuration is a key that is set."""
    write(tmp_path, FILES)
    assert main(["check", "--config", str(tmp_path)]) == 2
    assert "or write OPENAI_API_KEY=… into .env beside this file" in capsys.readouterr().out
    write(tmp_path, {".env": f"OPENAI_API_KEY={PLANTED}\n"})
    (tmp_path / ".env").chmod(0o600)
    assert main(["check", "--config", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "warning" not in said.out and PLANTED not in said.out + said.err


@pytest.mark.usefixtures("without_a_key")
@pytest.mark.parametrize("command", [["check"], ["simulate", "support", "--runs", "1"]])
def test_ci_checks_without_keys(tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`--no-env` takes every variable as set."""
    write(tmp_path, FILES)
    assert main([*command, "--config", str(tmp_path)]) == 2
    assert main([*command, "--config", str(tmp_path), "--no-env"]) == 0
    capsys.readouterr()


@pytest.mark.usefixtures("without_a_key")
def test_a_broken_file_stops_every_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 with the line, before anything else is read."""
    write(tmp_path, {**FILES, "keys.env": f"OPENAI_API_KEY={PLANTED} {PLANTED}\n"})
    for command in (["serve"], ["check"], ["simulate", "support"]):
        assert main([*command, "--config", str(tmp_path), "--env-file", str(tmp_path / "keys.env")]) == 2
        said = capsys.readouterr()
        assert "keys.env:1: OPENAI_API_KEY has quotes or spaces" in said.err and PLANTED not in said.err
