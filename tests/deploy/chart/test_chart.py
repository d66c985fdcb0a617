"""The Helm chart, rendered for several files of values. No cluster runs here."""

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from gateway import __version__
from gateway.config import load
from tests.architecture import ROOT
from tests.deploy.chart.rendering import CHART, VALUES, Refused, Rendered, helm, rendered, text

CI = CHART / "ci"
KEPT = Path(__file__).parent / "rendered"
(SCHEMAS,) = (ROOT / ".venv-helm").glob(
    "lib/*/site-packages/kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict"
)
FOREIGN = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}  # of custom resources, whose schemas no package has
SECRET = {"KEY": "x" * 32, "OPENAI_API_KEY": "sk-made-up", "ANTHROPIC_API_KEY": "sk-made-up"}
OTHERS: Registry[Any] = Registry().with_resource(
    "https://kubernetes.io/api/_definitions.json",
    Resource.from_contents(json.loads((SCHEMAS / "_definitions.json").read_text())),
)

by_values = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


def pod(objects: dict[str, Rendered]) -> Rendered:
    """The pod that the release runs."""
    found: Rendered = objects["StatefulSet/gw-serinus"]["spec"]["template"]["spec"]
    return found


def gateway(objects: dict[str, Rendered]) -> Rendered:
    """The gateway's container in it."""
    found: Rendered = pod(objects)["containers"][0]
    return found


def schema_name(each: Rendered) -> str:
    """Return the file with the schema of an object: its kind, group and version."""
    group, _, version = each["apiVersion"].rpartition("/")
    parts = [each["kind"], group.removesuffix(".k8s.io").removesuffix(".networking"), version]
    return "-".join(filter(None, parts)).lower() + ".json"


@by_values
def test_helm_finds_no_fault(values: Path) -> None:
    """`helm lint --strict` passes, which checks the values against their schema, too."""
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", CHART, "--values", values)


@by_values
def test_every_object_is_one_that_kubernetes_takes(values: Path) -> None:
    """Each fits the strict schema of Kubernetes 1.37: no unknown member, no wrong type."""
    objects = rendered(values)
    known = [each for each in objects.values() if each["kind"] not in FOREIGN]
    assert len(known) >= 3
    for each in known:
        schema = json.loads((SCHEMAS / schema_name(each)).read_text())
        jsonschema.validators.validator_for(schema)(schema, registry=OTHERS).validate(each)


@by_values
def test_the_chart_renders_what_was_reviewed(values: Path) -> None:
    """A change of the chart shows in what it makes; `CHART=renew make test ARGS=tests/deploy/chart` keeps it."""
    kept, made = KEPT / values.name, text(values)
    if os.environ.get("CHART") == "renew":
        kept.write_text(made)
    assert made == kept.read_text()


@by_values
def test_a_pod_has_no_right_that_it_does_not_need(values: Path) -> None:
    """Not root, a read-only root file system, no capability, the default seccomp profile, no token."""
    objects = rendered(values)
    settings, own = pod(objects)["securityContext"], gateway(objects)["securityContext"]
    assert settings["runAsNonRoot"] and settings["runAsUser"] == 10001 and settings["fsGroup"] == 10001
    assert settings["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert pod(objects)["automountServiceAccountToken"] is False
    mounts = {mount["mountPath"]: mount for mount in gateway(objects)["volumeMounts"]}
    assert mounts["/config"]["readOnly"] and {"/data", "/tmp"} <= set(mounts)
    assert not any("subPath" in mount for mount in mounts.values())  # an edit would not arrive


@by_values
def test_a_pod_has_time_to_drain(values: Path) -> None:
    """The grace period is preStop, `drain` and 20 s; the three probes ask what does not depend on the store."""
    objects = rendered(values)
    given = {**yaml.safe_load((CHART / "values.yaml").read_text()), **yaml.safe_load(values.read_text())}
    grace = given["preStopSeconds"] + given["drainSeconds"] + 20
    assert pod(objects)["terminationGracePeriodSeconds"] == grace
    probes = {
        name: gateway(objects)[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")
    }
    assert probes == {"startup": "/healthz", "readiness": "/readyz", "liveness": "/healthz"}


@pytest.mark.parametrize("name", ["minimal", "production"])
def test_the_gateway_takes_the_files_that_a_pod_mounts(name: str, tmp_path: Path) -> None:
    """The ConfigMap, laid out as the pod mounts it, is a configuration; `drain` is the one of the chart."""
    objects = rendered(CI / f"{name}.yaml")
    files = objects["ConfigMap/gw-serinus"]["data"]
    (volume,) = (each for each in pod(objects)["volumes"] if each["name"] == "config")
    assert {item["key"] for item in volume["configMap"]["items"]} == set(files)
    for item in volume["configMap"]["items"]:
        path = tmp_path / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[item["key"]])
    taken = load(tmp_path, SECRET)
    assert "support" in taken.agents
    assert taken.settings.drain == {"minimal": 30, "production": 120}[name]


def test_alerts_and_dashboard_are_those_of_the_repository() -> None:
    """Prometheus' operator gets the rules, and Grafana the dashboard, that the tests of `deploy` check."""
    objects = rendered(CI / "production.yaml")
    rules = yaml.safe_load((ROOT / "deploy/alerts/serinus.rules.yaml").read_text())
    assert objects["PrometheusRule/gw-serinus"]["spec"] == rules
    board = objects["ConfigMap/gw-serinus-dashboard"]["data"]["serinus.json"]
    assert json.loads(board) == json.loads((ROOT / "deploy/grafana/serinus.json").read_text())


def test_prometheus_asks_one_service() -> None:
    """The monitor selects the service of the release and not the one of the pods' names: nothing counts twice."""
    objects = rendered(CI / "production.yaml")
    wanted = objects["ServiceMonitor/gw-serinus"]["spec"]["selector"]["matchLabels"].items()
    services = [each for each in objects.values() if each["kind"] == "Service"]
    assert [each["metadata"]["name"] for each in services if wanted <= each["metadata"]["labels"].items()] == [
        "gw-serinus"
    ]


def test_no_secret_is_a_value() -> None:
    """The chart makes no Secret; it names those that the operator has made."""
    objects = rendered(CI / "production.yaml")
    assert not any(each["kind"] == "Secret" for each in objects.values())
    environment = {each["name"]: each for each in gateway(objects)["env"]}
    assert environment["SERINUS_STORE"]["valueFrom"]["secretKeyRef"] == {"name": "serinus-store", "key": "url"}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("replica=3", "additional properties 'replica' not allowed"),
        ('store={"url":""}', "set store.url, or store.existingSecret"),
        ('store.existingSecret="s"', "set either store.url or store.existingSecret"),
        ("config.gateway.keys={}", "name the keys that may call"),
        ("config.gateway.providers={}", "name at least one provider"),
        ('config.gateway.drain="60s"', "config.gateway.drain is set by the chart"),
        ('config.gateway.listen="0.0.0.0:80"', "config.gateway.listen is set by the chart"),
        ('config.existingConfigMap="files"', "are not used beside config.existingConfigMap"),
        ('store.url="http://x"', "does not match pattern"),
        ("drainSeconds=0", "minimum"),
        ('data.kind="hostPath"', "value must be one of"),
    ],
)
def test_values_that_cannot_work_are_refused(setting: str, said: str) -> None:
    """A mistyped name, a missing part or two that exclude each other is said before anything reaches the cluster."""
    with pytest.raises(Refused, match=said):
        rendered(CI / "minimal.yaml", setting)


def test_the_charts_version_of_the_image_is_the_gateways() -> None:
    """`appVersion` is the tag of the image that the Dockerfile makes of this checkout."""
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == __version__
