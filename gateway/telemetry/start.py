"""Start of the OpenTelemetry export: what must be there before a replica serves."""

from collections.abc import Mapping
from importlib.util import find_spec

from gateway.errors import GatewayError
from gateway.net.client.options import TransportOptions
from gateway.net.client.upstreams import transport
from gateway.telemetry.otel_settings import OtelSettings, otel_settings
from gateway.telemetry.parts import TracingParts
from gateway.telemetry.seam import CallTracing

_CONNECT_SECONDS = 5.0


def checked_settings(environ: Mapping[str, str]) -> OtelSettings | None:
    """Return the settings of the export, None without one. Raises GatewayError where it cannot be done."""
    settings = otel_settings(environ)
    if settings is not None and not _is_installed():
        raise GatewayError(
            "the environment asks for OpenTelemetry, which is not installed: pip install 'serinus[otel]'; "
            "or set OTEL_SDK_DISABLED=true"
        )
    return settings


def start_tracing(settings: OtelSettings, parts: TracingParts) -> CallTracing:
    """Return the tracing of a replica. Raises GatewayError for a file that is no certificate or key."""
    from gateway.telemetry.span_exporter import SpanExporter
    from gateway.telemetry.tracing import Tracing

    options = TransportOptions(
        ca_file=settings.ca_file, client_certificate=settings.client_certificate, client_key=settings.client_key,
        connect_timeout_seconds=min(_CONNECT_SECONDS, settings.timeout), max_connections=1, max_idle=1,
    )  # fmt: skip
    try:
        carrier = transport(options)
    except OSError as error:  # an SSLError is one
        raise GatewayError(f"OTEL_EXPORTER_OTLP_CERTIFICATE, _CLIENT_CERTIFICATE or _CLIENT_KEY: {error}") from None
    exporter = SpanExporter(settings, carrier, parts.log, parts.unix, retry=parts.retry)
    return Tracing(settings, exporter, parts)


def _is_installed() -> bool:
    try:
        return find_spec("opentelemetry.proto.trace.v1") is not None and find_spec("google.protobuf") is not None
    except ModuleNotFoundError:  # of a package above it
        return False
