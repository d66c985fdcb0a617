"""The start of the export: certificates, content, and what is missing."""

import io
import ssl
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest

from gateway import logs
from gateway.errors import GatewayError
from gateway.telemetry.otel_settings import otel_settings
from gateway.telemetry.parts import TracingParts
from gateway.telemetry.seam import CallTracing
from gateway.telemetry.start import checked_settings, start_tracing
from tests.support.certificates import self_signed
from tests.support.otlp import otlp_receiver

CALL_ID = "0123456789abcdef"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, and its key beside it."""
    return self_signed(tmp_path_factory.mktemp("tls"))


def started(environ: dict[str, str]) -> tuple[CallTracing, io.BytesIO]:
    settings, out = otel_settings(environ), io.BytesIO()
    assert settings is not None
    return start_tracing(settings, TracingParts(logs.to(out), monotonic, time, "0123456789ab", 0.01, 2.0)), out


def dropped(tracing: Any) -> dict[str, int]:
    return {why: count for why, count in tracing.dropped.items() if count}


@pytest.mark.parametrize("shown", [True, False])
async def test_certificates(certificate: Path, shown: bool) -> None:
    """A receiver with a certificate of its own authority, which wants to see one of ours."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    ours = {
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(certificate),
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(certificate.with_name("key.pem")),
    }
    async with otlp_receiver(context) as receiver:
        environ = receiver.environ(OTEL_EXPORTER_OTLP_CERTIFICATE=str(certificate), **(ours if shown else {}))
        tracing, _ = started(environ)
        tracing.evaluate("agent", CALL_ID, 1.0)
        await tracing.finish()
    assert len(receiver.spans) == shown and dropped(tracing) == ({} if shown else {"unreachable": 1})


async def test_untrusted_certificate(certificate: Path) -> None:
    """Nothing is sent to a receiver whose authority nobody has named."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    async with otlp_receiver(context) as receiver:
        tracing, _ = started(receiver.environ())
        tracing.evaluate("agent", CALL_ID, 1.0)
        await tracing.finish()
    assert receiver.heads == [] and dropped(tracing) == {"unreachable": 1}


@pytest.mark.parametrize("name", ["CERTIFICATE", "CLIENT_CERTIFICATE"])
def test_no_certificate(tmp_path: Path, name: str) -> None:
    """A file that is none stops the start."""
    (tmp_path / "no.pem").write_text("nothing")
    environ = {"OTEL_TRACES_EXPORTER": "otlp", f"OTEL_EXPORTER_OTLP_{name}": str(tmp_path / "no.pem")}
    with pytest.raises(GatewayError, match="OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE or _CLIENT_KEY"):
        started(environ)


async def test_content() -> None:
    """Content is exported as far as there is any: the comment of a score, where the operator asks for it."""
    async with otlp_receiver() as receiver:
        tracing, out = started(receiver.environ(OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true"))
        tracing.evaluate("agent", CALL_ID, 0.9, "well said")
        await tracing.finish()
    (event,) = receiver.spans[0].events.values()
    assert event["gen_ai.evaluation.explanation"] == "well said" and event["gen_ai.evaluation.score.label"] == "good"
    assert out.getvalue() == b""


@pytest.mark.parametrize("call_id", ["", "nobody's", "zzzzzzzzzzzzzzzz"])
async def test_score_of_no_call(call_id: str) -> None:
    """An id that is none of ours becomes no span."""
    async with otlp_receiver() as receiver:
        tracing, _ = started(receiver.environ())
        tracing.evaluate("agent", call_id, 1.0)
        await tracing.finish()
    assert receiver.heads == []


def test_off() -> None:
    """An environment that says nothing needs nothing installed."""
    assert checked_settings({}) is None
