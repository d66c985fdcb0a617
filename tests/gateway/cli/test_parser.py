"""What the parser says: what was meant, what each verb does, and that a call id is no option."""

import argparse
import re
import shlex

import pytest

from gateway.cli.main import VERB_HELP, main
from gateway.cli.main import _parser as parser
from policies.rollout.verbs import VERBS


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [(["chekc"], "'check'"), (["stauts"], "'status'"), (["rollout", "promte", "a", "--reason", "x"], "'promote'")],
)
def test_a_mistyped_word_is_recognised(arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Commands and verbs alike; exit code 2."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(f"; did you mean {meant}?\n")


def test_every_verb_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    """In the help of `rollout`, a line each."""
    assert VERB_HELP.keys() == VERBS.keys()
    with pytest.raises(SystemExit):
        main(["rollout", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert all(f" {verb} {text}" in said for verb, text in VERB_HELP.items())


@pytest.mark.socket
def test_a_call_id_may_begin_with_a_hyphen(capsys: pytest.CaptureFixture[str]) -> None:
    """One in 64 agents has such ids. The gateway is asked, where an option would be refused."""
    arguments = ["escalations", "reply", "-" + "a" * 51, "--message", "hi", "--url", "http://127.0.0.1:1"]
    assert main(arguments) == 1
    assert "no gateway answers" in capsys.readouterr().err


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parsers of all commands, by name."""
    (found,) = (each for each in parser()._actions if isinstance(each, argparse._SubParsersAction))
    return dict(found.choices)


@pytest.mark.parametrize("name", commands())
def test_every_command_has_examples_and_exit_codes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its help, within the terminal's width but for examples; the examples are arguments that it takes."""
    monkeypatch.setenv("COLUMNS", "80")
    said = commands()[name].format_help()
    examples = [line.strip() for line in said.splitlines() if line.startswith(f"  serinus {name}")]
    assert examples and "\nexamples:\n" in said and "\nexit codes:\n  0" in said
    assert all(len(line) <= 80 or line.strip() in examples for line in said.splitlines())
    for example in examples:
        typed = shlex.split(re.split(" > | && ", example)[0])[1:]
        assert "run" in parser().parse_args(typed) or name == "completion"


READING = (
    "status", "audit", "explain", "escalations", "wait", "doctor", "check", "costs", "trace", "conversations",
    "review", "diff", "simulate",
)  # fmt: skip


@pytest.mark.parametrize("name", READING)
def test_every_reading_command_has_json(name: str) -> None:
    """For programs."""
    assert "--json" in commands()[name].format_help()
