"""Completion: commands, verbs, options, agents; and scripts that their shells accept."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.cli.completion import words
from gateway.cli.main import _parser as parser
from gateway.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("support", "sales", "odd\x1b"):
        (tmp_path / "agents" / name).mkdir(parents=True)
    (tmp_path / "agents" / "notes.txt").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        (["sta"], ["standin", "status"]),
        (["status", ""], ["sales", "support"]),
        (["status", "su"], ["support"]),
        (["status", "support", ""], []),
        (["status", "--wa"], ["--watch"]),
        (["rollout", "pro"], ["promote"]),
        (["rollout", "promote", ""], ["sales", "support"]),
        (["rollout", "--reason", ""], []),
        (["rollout", "--to-end", "promote", "sa"], ["sales"]),
        (["audit", "--url", "http://x", "s"], ["sales", "support"]),
        (["escalations", "s"], ["sales", "support"]),
        (["completion", "z"], ["zsh"]),
        (["--ver"], ["--version"]),
        (["nonsense", ""], []),
    ],
)
def test_words_that_may_come_next(folder: Path, typed: list[str], found: list[str]) -> None:
    """By the parser itself, so that a new command completes by itself; a name that a terminal obeys is left out."""
    assert words(parser(), typed, folder) == found


def test_without_a_configuration_commands_are_still_completed(tmp_path: Path) -> None:
    """Only agents' names are unknown then."""
    assert words(parser(), ["wait", ""], tmp_path / "none") == []
    assert "status" in words(parser(), [], tmp_path) and isinstance(parser(), argparse.ArgumentParser)


@pytest.mark.process
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_accepts_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the shell is installed, it reads the script without a complaint."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "serinus completion words --" in script
    if program := shutil.which(shell):
        done = subprocess.run([program, "-n"], input=script.encode(), capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.process
def test_bash_completes_agents(folder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A Tab after `status su`, with the words that this program prints."""
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    serinus = tmp_path / "serinus"
    serinus.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.arguments"\necho support\n')
    serinus.chmod(0o755)
    ask = 'COMP_WORDS=(serinus status su); COMP_CWORD=2; _serinus; printf "%s" "${COMPREPLY[*]}"'
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    bash = shutil.which("bash") or "/bin/bash"
    done = subprocess.run([bash, "-c", f"{script}\n{ask}"], capture_output=True, env=environ, timeout=60)
    assert done.stdout == b"support"
    assert (tmp_path / "serinus.arguments").read_text().split() == ["completion", "words", "--", "status", "su"]
