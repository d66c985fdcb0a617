"""Settings of the OpenTelemetry export, from the standard's environment variables.

Whatever cannot be obeyed stops the start: an export that silently goes nowhere is found out when it is needed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.errors import GatewayError
from gateway.net.client import Origin
from gateway.telemetry.sampling import REASONS, Sampler
from gateway.telemetry.semantic_names import FOREIGN_OPT_INS, LATEST, LATEST_OPT_IN, V1_41, SemanticNames

ALWAYS: Final = "SERINUS_OTEL_ALWAYS"
_ENDPOINT, _TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
_CONVENTIONS = "OTEL_SEMCONV_STABILITY_OPT_IN"
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_DEFAULT_ENDPOINT = "http://localhost:4318"
_PROTOCOL = "http/protobuf"
_SAMPLERS: Final[Mapping[str, Sampler]] = {
    "always_on": Sampler(1.0, False),
    "always_off": Sampler(0.0, False),
    "parentbased_always_on": Sampler(1.0, True),
    "parentbased_always_off": Sampler(0.0, True),
}
_RATIO_SAMPLERS: Final = {"traceidratio": False, "parentbased_traceidratio": True}
_MOST_MILLISECONDS = 600_000


@dataclass(frozen=True, slots=True)
class OtelSettings:
    """Settings of the export. Times are seconds; `queue` counts calls, `batch` spans.

    `always` are the reasons for which a call is exported whatever the sampler says.
    """

    origin: Origin
    path: str
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    timeout: float = 10.0
    compresses: bool = True
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    resource: Mapping[str, str] = field(default_factory=dict)
    sampler: Sampler = _SAMPLERS["parentbased_always_on"]
    always: tuple[str, ...] = tuple(REASONS)
    names: SemanticNames = V1_41
    captures_content: bool = False
    delay: float = 5.0
    queue: int = 2048
    batch: int = 512


def otel_settings(environ: Mapping[str, str]) -> OtelSettings | None:
    """Return the settings; None where no export is wanted. Raises GatewayError."""
    given = {name: value for name, text in environ.items() if (value := text.strip())}
    if not _is_wanted(given):
        return None
    protocol = _of_traces(given, "PROTOCOL", _PROTOCOL)
    if protocol != _PROTOCOL:
        raise GatewayError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}: spans go out as {_PROTOCOL} only")
    origin, path = _endpoint(given)
    return OtelSettings(
        origin,
        path,
        headers=_headers(given),
        timeout=_milliseconds(given, *_both("TIMEOUT"), default=10_000),
        compresses=_compresses(given),
        ca_file=_of_traces(given, "CERTIFICATE", "") or None,
        client_certificate=_of_traces(given, "CLIENT_CERTIFICATE", "") or None,
        client_key=_of_traces(given, "CLIENT_KEY", "") or None,
        resource=_resource(given),
        sampler=_sampler(given),
        always=_always(given),
        names=_names(given),
        captures_content=_captures_content(given),
        delay=_milliseconds(given, "OTEL_BSP_SCHEDULE_DELAY", default=5_000),
        queue=_count(given, "OTEL_BSP_MAX_QUEUE_SIZE", 2048),
        batch=_count(given, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
    )


def _is_wanted(given: Mapping[str, str]) -> bool:
    if _is_true(given.get("OTEL_SDK_DISABLED", "")):
        return False
    exporter = given.get("OTEL_TRACES_EXPORTER", "")
    if exporter not in ("", "otlp", "none"):
        raise GatewayError(f"OTEL_TRACES_EXPORTER is {exporter!r}: known are 'otlp' and 'none'")
    return exporter == "otlp" or (exporter == "" and (_ENDPOINT in given or _TRACES_ENDPOINT in given))


def _both(name: str) -> tuple[str, str]:
    return f"OTEL_EXPORTER_OTLP_TRACES_{name}", f"OTEL_EXPORTER_OTLP_{name}"


def _of_traces(given: Mapping[str, str], name: str, default: str) -> str:
    """The variable of the signal comes before the one for all signals."""
    return next((given[each] for each in _both(name) if each in given), default)


def _endpoint(given: Mapping[str, str]) -> tuple[Origin, str]:
    """The signal's own address is taken as it is; the common one gets the signal's path."""
    url = given.get(_TRACES_ENDPOINT) or given.get(_ENDPOINT, _DEFAULT_ENDPOINT).rstrip("/") + "/v1/traces"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        name = _TRACES_ENDPOINT if _TRACES_ENDPOINT in given else _ENDPOINT
        raise GatewayError(f"{name} is no http:// or https:// address without credentials in it")
    query = f"?{parts.query}" if parts.query else ""
    return Origin(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80)), (
        parts.path or "/"
    ) + query


def _headers(given: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    headers: dict[str, str] = {}
    for name in reversed(_both("HEADERS")):
        headers |= {key.lower(): value for key, value in _pairs(given, name)}
    for key, value in headers.items():
        if not key.isascii() or not value.isprintable() or not value.isascii():
            raise GatewayError(f"OTEL_EXPORTER_OTLP_HEADERS: {key[:40]!r} cannot be sent as a header")
    return tuple((key.encode(), value.encode()) for key, value in headers.items())


def _pairs(given: Mapping[str, str], name: str) -> Iterator[tuple[str, str]]:
    """The pairs `key=value,key=value`, values percent-encoded where they need it."""
    for part in filter(None, map(str.strip, given.get(name, "").split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise GatewayError(f"{name} is not of the form key=value,key=value")
        yield unquote(key.strip()), unquote(value.strip())


def _resource(given: Mapping[str, str]) -> Mapping[str, str]:
    resource = {"service.name": "serinus", **dict(_pairs(given, "OTEL_RESOURCE_ATTRIBUTES"))}
    if name := given.get("OTEL_SERVICE_NAME"):
        resource["service.name"] = name
    return resource


def _compresses(given: Mapping[str, str]) -> bool:
    compression = _of_traces(given, "COMPRESSION", "gzip")
    if compression not in ("gzip", "none"):
        raise GatewayError(f"OTEL_EXPORTER_OTLP_COMPRESSION is {compression!r}: known are 'gzip' and 'none'")
    return compression == "gzip"


def _sampler(given: Mapping[str, str]) -> Sampler:
    name = given.get("OTEL_TRACES_SAMPLER", "parentbased_always_on")
    if name in _SAMPLERS:
        return _SAMPLERS[name]
    if name not in _RATIO_SAMPLERS:
        known = ", ".join([*_SAMPLERS, *_RATIO_SAMPLERS])
        raise GatewayError(f"OTEL_TRACES_SAMPLER is {name!r}: known are {known}")
    text = given.get("OTEL_TRACES_SAMPLER_ARG", "1")
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0.0 <= ratio <= 1.0:
        raise GatewayError(f"OTEL_TRACES_SAMPLER_ARG is {text!r}: a share between 0 and 1 is wanted")
    return Sampler(ratio, _RATIO_SAMPLERS[name])


def _always(given: Mapping[str, str]) -> tuple[str, ...]:
    if ALWAYS not in given:
        return tuple(REASONS)
    wanted = [part.strip() for part in given[ALWAYS].split(",") if part.strip()]
    if wanted == ["none"]:
        return ()
    if unknown := [each for each in wanted if each not in REASONS]:
        raise GatewayError(f"{ALWAYS}: {unknown[0]!r} is unknown; known are {', '.join(REASONS)}, and none")
    return tuple(wanted)


def _names(given: Mapping[str, str]) -> SemanticNames:
    wanted = {part.strip() for part in given.get(_CONVENTIONS, "").split(",")} - {""}
    if unknown := sorted(wanted - FOREIGN_OPT_INS - {LATEST_OPT_IN}):
        message = f"{_CONVENTIONS}: {unknown[0]!r} is unknown; leave it out, or choose {LATEST_OPT_IN}"
        raise GatewayError(message)
    return LATEST if LATEST_OPT_IN in wanted else V1_41


def _milliseconds(given: Mapping[str, str], *names: str, default: int) -> float:
    name = next((each for each in names if each in given), None)
    if name is None:
        return default / 1000
    if not given[name].isdecimal() or not 0 < int(given[name]) <= _MOST_MILLISECONDS:
        raise GatewayError(f"{name} is {given[name]!r}: whole milliseconds up to {_MOST_MILLISECONDS} are wanted")
    return int(given[name]) / 1000


def _count(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name, str(default))
    if not text.isdecimal() or not 0 < int(text) <= 100_000:
        raise GatewayError(f"{name} is {text!r}: a number from 1 to 100000 is wanted")
    return int(text)


def _captures_content(given: Mapping[str, str]) -> bool:
    """The word of the newer conventions says where to: of its places only spans are written here."""
    word = given.get(_CONTENT, "").lower()
    if word in ("", "false", "no_content"):
        return False
    if word not in ("true", "span_only", "span_and_event"):
        raise GatewayError(f"{_CONTENT} is {word!r}: known are true, false, span_only, span_and_event and no_content")
    return True


def _is_true(text: str) -> bool:
    return text.lower() == "true"
