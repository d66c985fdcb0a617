from pathlib import Path

from gateway.config import check
from tests.gateway.config.folders import ENVIRON, FILES, ROUTING, write

PROJECT = Path(__file__).parents[3]


def test_a_good_folder_is_summed_up(tmp_path: Path) -> None:
    """Agents, versions with the beginning of their digest, shares, targets and warnings."""
    write(
        tmp_path, {**FILES, "agents/support/v3.yaml": "extends: v1\nn: 2\n", "agents/idle/v1.yaml": "model: openai/x"}
    )
    code, report = check(tmp_path, ENVIRON)
    assert code == 0
    first, _, agent, stable, canary, other, _, warning = report.splitlines()
    assert first.startswith(f"{tmp_path} is well: 1 agent, 1 provider, listening on 127.0.0.1:8080, digest ")
    assert agent == "support"
    assert stable.split()[:3] == ["stable", "95%", "v1"]
    assert stable.endswith("openai/gpt-4o")
    assert len(canary.split()[3]) == 12
    assert other.split()[:5] == ["by", "rule", "or", "pin", "v3"]
    assert warning == "warning: agents/idle is not served: routing.yaml does not name it"


def test_problems_are_listed_and_counted(tmp_path: Path) -> None:
    """Exit code 2, a line each, and how many."""
    write(tmp_path, {**FILES, "routing.yaml": ROUTING.replace("5%", "5") + "    stale: 1\n"})
    code, report = check(tmp_path, ENVIRON)
    assert code == 2
    assert report.endswith(f"\n\n2 problems in {tmp_path}")
    assert report.startswith(f"{tmp_path}/routing.yaml:5: agents.support.weight: write a percentage with its sign")


def test_the_shipped_folder_is_well() -> None:
    """With its two keys set, without a warning; without them, each is named."""
    code, report = check(PROJECT / "config", {"OPENAI_API_KEY": "sk-1", "ANTHROPIC_API_KEY": "sk-2"})
    assert (code, "warning" in report) == (0, False)
    code, report = check(PROJECT / "config", {})
    assert code == 2
    assert "OPENAI_API_KEY is not set" in report
    assert "ANTHROPIC_API_KEY is not set" in report
