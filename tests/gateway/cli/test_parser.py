"""What the parser says: what was meant, what each verb does, and that a call id is no option."""

import pytest

from gateway.cli.main import VERB_HELP, main
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
    said = capsys.readouterr().out
    assert all(f"  {verb:<11} {text}" in said for verb, text in VERB_HELP.items())


@pytest.mark.socket
def test_a_call_id_may_begin_with_a_hyphen(capsys: pytest.CaptureFixture[str]) -> None:
    """One in 64 agents has such ids. The gateway is asked, where an option would be refused."""
    arguments = ["escalations", "reply", "-" + "a" * 51, "--message", "hi", "--url", "http://127.0.0.1:1"]
    assert main(arguments) == 1
    assert "no gateway answers" in capsys.readouterr().err
