"""The report of the doctor: for a person, for a program, and its exit code."""

import json
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.doctor import Diagnosis, Examined, as_json, as_text
from tests.support.running import write

WELL = Diagnosis("openai/m", "well", "answers", seconds=0.25)
BROKEN = Diagnosis("p/m", "broken", "refuses the key (HTTP 401)", "check the variable P_KEY", 0.1)


def test_a_person_reads_what_is_wrong_and_what_to_do() -> None:
    """One line a diagnosis, its remedy below, and what was paid."""
    assert as_text(Examined([WELL, BROKEN], 2, 1_500_000)).splitlines() == [
        "ok    openai/m  answers (0.2 s)",
        "FAIL  p/m       refuses the key (HTTP 401) (0.1 s)",
        "                → check the variable P_KEY",
        "",
        "1 broken; 2 calls for $0.00150",
    ]


def test_a_program_reads_json() -> None:
    """The same, with numbers; an unknown price is null."""
    said = json.loads(as_json(Examined([BROKEN], 1, None)))
    assert (said["ok"], said["calls"], said["cost_usd"]) == (False, 1, None)
    assert said["diagnoses"][0] == {
        "subject": "p/m", "state": "broken", "message": "refuses the key (HTTP 401)",
        "do": "check the variable P_KEY", "seconds": 0.1,
    }  # fmt: skip


@pytest.mark.process
@pytest.mark.socket
def test_the_exit_code_says_whether_anything_is_broken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1 for a broken target, 2 for a configuration that cannot be used."""
    provider = {"api": "openai", "base_url": "http://127.0.0.1:1/v1"}
    gateway = {"providers": {"p": provider}, "data": str(tmp_path / "data")}
    write(tmp_path, {"gateway.yaml": gateway, "routing.yaml": {"agents": {"a": {"stable": "v1"}}}})
    write(tmp_path, {"agents/a/v1.yaml": {"model": "p/m"}})
    assert main(["doctor", "--config", str(tmp_path)]) == 1
    assert "1 broken; 1 call for $0\n" in capsys.readouterr().out
    assert main(["doctor", "--config", str(tmp_path), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False
    write(tmp_path, {"agents/a/v1.yaml": {"model": "q/m"}})
    assert main(["doctor", "--config", str(tmp_path)]) == 2
    assert "unknown provider" in capsys.readouterr().err
