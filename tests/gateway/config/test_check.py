from pathlib import Path

from gateway.config import check
from tests.gateway.config.folders import ENVIRON, FILES, ROUTING, STEPS, write

PROJECT = Path(__file__).parents[3]


def test_a_good_folder_is_summed_up(tmp_path: Path) -> None:
    """Agents, versions with the beginning of their digest, shares, targets and warnings."""
    write(
        tmp_path, {**FILES, "agents/support/v3.yaml": "extends: v1\nn: 2\n", "agents/idle/v1.yaml": "model: openai/x"}
    )
    code, report = check(tmp_path, ENVIRON)
    assert code == 0
    first, _, providers, provider, _, agent, stable, canary, other, guardrails, _, warning = report.splitlines()
    assert first.startswith(f"{tmp_path} is valid: 1 agent, 1 provider, listening on 127.0.0.1:8080, digest ")
    assert (providers, provider) == ("providers", "  openai  https://api.openai.com/v1 (openai, key ${OPENAI_API_KEY})")
    assert agent == "support"
    assert stable.split()[:3] == ["stable", "95%", "v1"]
    assert stable.endswith("openai/gpt-4o-like")
    assert len(canary.split()[3]) == 12
    assert other.split()[:5] == ["by", "rule", "or", "pin", "v3"]
    assert guardrails.startswith(
        "  guardrails       error_rate <= stable * 1.25, rejection_rate <= stable * 2, latency"
    )
    assert warning == "warning: agents/idle is not served: routing.yaml does not name it"


def test_a_rollout_is_shown_step_by_step(tmp_path: Path) -> None:
    """With what each step waits for, and the limits that decide over it."""
    signals = "    guardrails: [error_rate <= 20%]\n    signals: [ttft_p90 <= stable * 1.10]\n"
    code, report = check(write(tmp_path, {**FILES, "routing.yaml": STEPS + signals}), ENVIRON)
    *_, stable, canary, steps, guardrails, signal = report.splitlines()
    assert (code, stable.split()[:2], canary.split()[:2]) == (0, ["stable", "95%"], ["canary", "5%"])
    assert steps == "  steps            5% 10m 1000 calls → 25% 20m → 100% 60m approval"
    assert guardrails == "  guardrails       error_rate <= 20%"
    assert signal == "  signals          ttft_p90 <= stable * 1.10"


def test_a_rollout_of_one_step_leaves_a_control(tmp_path: Path) -> None:
    """What a step of 100% really gets is 98%."""
    routing = ROUTING.replace("weight: 5%", "steps: [{weight: 100%, hold: 1h}]")
    report = check(write(tmp_path, {**FILES, "routing.yaml": routing}), ENVIRON)[1]
    assert [line.split()[:2] for line in report.splitlines()[6:8]] == [["stable", "2%"], ["canary", "98%"]]


def test_problems_are_listed_and_counted(tmp_path: Path) -> None:
    """Exit code 2, a line each, and how many."""
    write(tmp_path, {**FILES, "routing.yaml": ROUTING.replace("5%", "5") + "    stale: 1\n"})
    code, report = check(tmp_path, ENVIRON)
    assert code == 2
    assert report.endswith(f"\n\n2 problems in {tmp_path}")
    assert report.startswith(f"{tmp_path}/routing.yaml:5: agents.support.weight: write a percentage with its sign")


def test_the_shipped_folder_is_well() -> None:
    """It wants one key, which is named, and starts no canary; with the key there is no warning."""
    code, report = check(PROJECT / "config", {"OPENAI_API_KEY": "sk-1"})
    assert (code, "warning" in report, "canary" in report) == (0, False, False)
    code, report = check(PROJECT / "config", {})
    assert (code, report.endswith("1 problem in " + str(PROJECT / "config"))) == (2, True)
    assert "OPENAI_API_KEY is not set" in report
