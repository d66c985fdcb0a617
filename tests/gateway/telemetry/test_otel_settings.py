"""The standard's environment variables, and what cannot be obeyed."""

import re
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.net.client import Origin
from gateway.telemetry import semantic_names
from gateway.telemetry.otel_settings import OtelSettings, otel_settings
from gateway.telemetry.sampling import Sampler
from gateway.telemetry.semantic_names import LATEST, V1_41

ROOT = Path(__file__).resolve().parents[3]
HERE = "http://collector:4318"
COMMON = {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE}


def settings(**environ: str) -> OtelSettings:
    found = otel_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, **environ})
    assert found is not None
    return found


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_SERVICE_NAME": "birds"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": HERE},
    ],
)
def test_off(environ: dict[str, str]) -> None:
    """Nothing is exported unless somebody says where to, or that it is wanted."""
    assert otel_settings(environ) is None


@pytest.mark.parametrize(
    ("environ", "origin", "path"),
    [
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("http", "localhost", 4318), "/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://a/otlp/"}, ("https", "a", 443), "/otlp/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a:1/x"}, ("http", "a", 1), "/x"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a", "OTEL_EXPORTER_OTLP_ENDPOINT": HERE},
            ("http", "a", 80),
            "/",
        ),
    ],
)
def test_endpoint(environ: dict[str, str], origin: tuple[str, str, int], path: str) -> None:
    """The signal's own address is taken as it is, the common one with the signal's path."""
    found = otel_settings(environ)
    assert found is not None and (found.origin, found.path) == (Origin(*origin), path)


def test_signal_before_all() -> None:
    """A variable of the signal comes before the one for all signals; headers of both are sent."""
    found = settings(
        OTEL_EXPORTER_OTLP_TIMEOUT="1", OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="2000",
        OTEL_EXPORTER_OTLP_HEADERS="A=1,b=2", OTEL_EXPORTER_OTLP_TRACES_HEADERS="a=3",
        OTEL_EXPORTER_OTLP_CERTIFICATE="/all.pem", OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE="/traces.pem",
    )  # fmt: skip
    assert found.timeout == 2.0 and found.ca_file == "/traces.pem"
    assert dict(found.headers) == {b"a": b"3", b"b": b"2"}


def test_defaults() -> None:
    """Compressed, all of it, by the names that are deployed, under a name of ours, and never with content."""
    found = settings()
    assert found.compresses and found.names is V1_41 and not found.captures_content
    assert found.sampler == Sampler(1.0, True) and found.resource == {"service.name": "serinus"}
    assert found.always == ("failed", "fallback", "escalated", "canary")


def test_choices() -> None:
    """The further variables of the standard, and ours."""
    found = settings(
        OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental", SERINUS_OTEL_ALWAYS="failed, canary",
        OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.25", OTEL_RESOURCE_ATTRIBUTES="service.name=a",
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="True",
    )  # fmt: skip
    assert found.names is LATEST and found.always == ("failed", "canary") and found.captures_content
    assert found.sampler == Sampler(0.25, False) and found.resource == {"service.name": "a"}
    assert settings(SERINUS_OTEL_ALWAYS="none").always == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@collector"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[collector"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "Basic secret"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0d%0ab:c"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ("OTEL_TRACES_SAMPLER_ARG", "10%"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("SERINUS_OTEL_ALWAYS", "slow"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "event_only"),
    ],
)
def test_refused(name: str, value: str) -> None:
    """What cannot be obeyed stops the start, by the variable's name, and shows no secret."""
    with pytest.raises(GatewayError) as refused:
        settings(**{"OTEL_TRACES_SAMPLER": "traceidratio", name: value})
    assert name.removeprefix("OTEL_EXPORTER_OTLP_TRACES_").split("_")[-1] in str(refused.value)
    assert "secret" not in str(refused.value)


def test_no_secret_in_its_text() -> None:
    """The receiver's key is not in what a log or a trace of an error would show."""
    assert "planted" not in repr(settings(OTEL_EXPORTER_OTLP_HEADERS="authorization=planted"))


def test_documented() -> None:
    """docs/tracing.md names every attribute, and every variable that is read."""
    page = (ROOT / "docs/tracing.md").read_text("utf-8")
    found = [value for value in vars(semantic_names).values() if isinstance(value, str) and "." in value[:12]]
    attributes = {*found, *V1_41, *LATEST} - {"", semantic_names.__name__, semantic_names.__doc__}
    attributes = {name for name in attributes if not name.startswith(("/", "gateway"))}
    source = (ROOT / "gateway/telemetry/otel_settings.py").read_text("utf-8")
    variables = set(re.findall(r'"((?:OTEL|SERINUS)_[A-Z_]+)"', source))
    assert [name for name in sorted(attributes | variables) if f"`{name}" not in page] == []
