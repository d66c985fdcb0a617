"""Completion: commands, verbs, options, agents; and scripts that their shells accept."""

import argparse
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.cli.completion import words
from gateway.cli.main import _parser as parser
from gateway.cli.main import main
from tests.support.terminals import at_terminal


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


@pytest.fixture
def serinus(tmp_path: Path) -> Path:
    """A folder with a command that knows the agents support and sales, and no words after those."""
    script = tmp_path / "bin" / "serinus"
    script.parent.mkdir()
    words = 'for last; do :; done; case "$last" in "") echo;; *) printf "%s\\n" support sales | grep "^$last";; esac'
    script.write_text(f"#!/bin/sh\n{words}\n")
    script.chmod(0o755)
    return script.parent


@pytest.mark.process
@pytest.mark.parametrize("ask", ["source", "fpath"])
def test_zsh_completes_at_the_first_tab(serinus: Path, ask: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether the script was sourced, or lies in a folder of `fpath`, from where zsh loads it at the first Tab."""
    if (zsh := shutil.which("zsh")) is None:
        return
    assert main(["completion", "zsh"]) == 0
    (serinus / "_serinus").write_text(capsys.readouterr().out)
    ways = {"source": "compinit -u -D; source $folder/_serinus", "fpath": "fpath=($folder $fpath); compinit -u -D"}
    environ = {"PATH": f"{serinus}:/usr/bin:/bin", "folder": str(serinus), "PS1": "> ", "HOME": str(serinus)}
    with at_terminal("-f", "-i", program=(zsh,), environ=environ) as terminal:
        terminal.type(f"autoload -Uz compinit; {ways[ask]}; echo ready''now\n")
        terminal.wait_for("readynow")
        terminal.type("serinus status su\t")
        terminal.wait_for("support")
        terminal.type("\x15exit\n")
        assert terminal.end() == 0


@pytest.mark.process
def test_fish_completes_agents_and_else_files(serinus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Agents alone where there are any, and files where nothing is known."""
    if (fish := shutil.which("fish")) is None:
        return
    assert main(["completion", "fish"]) == 0
    (serinus / "script").write_text(capsys.readouterr().out)
    environ = {"PATH": f"{serinus}:/usr/bin:/bin", "HOME": str(serinus)}
    ask = 'source script; complete -C "serinus status s"; echo /; complete -C "serinus status "'
    done = subprocess.run([fish, "--no-config", "-c", ask], capture_output=True, env=environ, cwd=serinus, timeout=60)
    agents, _, files = done.stdout.decode().partition("/\n")
    assert agents.split() == ["sales", "support"] and files.split() == ["script", "serinus"]


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
