"""The Grafana dashboard: every expression parses, and names metrics that there are."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.expressions import ROOT, unknown_metrics

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana" / "serinus.json").read_text(encoding="utf-8"))
EXPRESSIONS = [
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
    *(annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]),
]
VARIABLES = {"$__rate_interval": "5m", "$agent": ".*", "$version": ".*"}


def filled(expression: str) -> str:
    """The expression as Grafana would ask it."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def test_every_expression_parses(tmp_path: Path) -> None:
    """Prometheus' own tool reads them as rules."""
    rules = [{"record": f"serinus:panel:{number}", "expr": filled(each)} for number, each in enumerate(EXPRESSIONS)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{len(EXPRESSIONS)} rules found" in done.stdout and not any("$" in rule["expr"] for rule in rules)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_panel_names_only_metrics_that_there_are(expression: str) -> None:
    """A panel of a metric that nobody has would stay empty."""
    assert unknown_metrics(expression) == set()


def test_a_metric_that_there_is_not_is_found() -> None:
    """The check sees what it is for."""
    assert unknown_metrics('rate(serinus_cals_total{agent="serinus_x"}[5m])') == {"serinus_cals_total"}


def test_one_chooses_data_source_agent_and_version() -> None:
    """And sees the decisions on every curve."""
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "agent", "version"]
    [decisions] = DASHBOARD["annotations"]["list"]
    assert decisions["enable"] and "serinus_rollout_decisions_total" in decisions["expr"]


def test_panels_lie_side_by_side() -> None:
    """None covers another, and none has the id of another."""
    taken = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
