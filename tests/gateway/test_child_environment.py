"""What child processes get of the gateway's environment."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.child_environment import environment
from gateway.pricing.pricelist import PricedModel, PriceList


def test_a_child_is_given_no_secret() -> None:
    """A few names that are known to hold none, and nothing else."""
    ours = {"PATH": "/bin", "OPENAI_API_KEY": "sk-planted", "SERINUS_ADMIN_TOKEN": "planted", "TZ": "UTC"}
    assert environment(ours) == {"PATH": "/bin", "TZ": "UTC"}


@pytest.mark.process
def test_the_reader_of_the_price_list_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's package runs in it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nenv > "{tmp_path}/environment"\nexec "{sys.executable}" "$@"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    PriceList().learn([PricedModel("openai", "gpt-4o", None, "openai")])
    found = (tmp_path / "environment").read_text()
    assert "PATH=" in found
    assert "sk-planted" not in found


@pytest.mark.parametrize(("command", "may_be_read"), [("eval", 0), ("check", 1)])
def test_what_runs_others_code_cannot_be_read_by_it(command: str, may_be_read: int) -> None:
    """A suite's code is of the same user, and could read the keys in its parent's environment."""
    run = f"import sys; sys.argv = ['serinus', {command!r}, '--none']; from gateway.__main__ import main\n"
    run += "try: main()\nexcept SystemExit: pass\nimport ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(may_be_read)
