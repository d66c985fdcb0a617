"""The alert rules: Prometheus' own tool accepts them, each fires when it should, and each leads to what to do."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.expressions import ROOT, unknown_metrics

RULES = ROOT / "deploy" / "alerts" / "serinus.rules.yaml"
RUNBOOK = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
_ALL = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in _ALL if "alert" in rule]
RECORDED = frozenset(rule["record"] for rule in _ALL if "record" in rule)


def promtool(*arguments: str | Path) -> str:
    """What the tool says. Raises AssertionError when it finds anything wrong."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_accepts_the_rules() -> None:
    """Every expression parses, and every template."""
    assert f"{len(_ALL)} rules found" in promtool("check", "rules", RULES)


def test_the_rules_fire_when_they_should() -> None:
    """On made-up series: each alert, and the silence beside it."""
    tests = Path(__file__).parent / "serinus.rules.test.yaml"
    promtool("test", "rules", tests)
    told = {
        each["alertname"]
        for case in yaml.safe_load(tests.read_text("utf-8"))["tests"]
        for each in case["alert_rule_test"]
    }
    assert told == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", _ALL, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_only_metrics_that_there_are(rule: dict[str, str]) -> None:
    """An alert on a metric that nobody has would never fire."""
    assert unknown_metrics(rule["expr"], RECORDED) == set()


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_leads_to_what_to_do(rule: dict[str, dict[str, str]]) -> None:
    """Its part of the manual says what it means, what to look at and what to do."""
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert file == "docs/operating.md" and anchor == str(rule["alert"]).lower()
    part = re.split(r"^##+ ", RUNBOOK.split(f"\n### {rule['alert']}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    assert re.findall(r"^\*\*(.+?):\*\*", part, re.MULTILINE) == ["Means", "Look at", "Do"]
    assert rule["annotations"]["summary"] and rule["labels"]["severity"] in ("critical", "warning", "info")


def test_the_manual_has_no_alert_that_is_gone() -> None:
    """Its parts are those of the rules, in their order."""
    assert re.findall(r"^### (Serinus\w+)$", RUNBOOK, re.MULTILINE) == [rule["alert"] for rule in ALERTS]
