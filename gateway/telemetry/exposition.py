"""Samples as text: OpenMetrics 1.0, or the text format of Prometheus 0.0.4, as the reader's `Accept` asks.

Sources: the OpenMetrics specification 1.0.0; Prometheus' "Exposition formats".
"""

import math
import re
from collections.abc import Iterator, Sequence

from gateway.telemetry.families import FAMILIES, MetricFamily
from gateway.telemetry.samples import LabelValues, Samples

OPENMETRICS = b"application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = b"text/plain; version=0.0.4; charset=utf-8"
_OPEN_TYPE, _PLAIN_TYPES = "application/openmetrics-text", ("text/plain", "text/*", "*/*")
_QUALITY = re.compile(r"q=([01](?:\.\d{1,3})?)")
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def prefers_openmetrics(accept: bytes | None) -> bool:
    """Return whether a reader with that `Accept` wants OpenMetrics at least as much as plain text."""
    wanted: dict[str, float] = {}
    for part in (accept or b"").decode("latin-1").split(","):
        media, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = next((match[1] for each in parameters if (match := _QUALITY.fullmatch(each))), "1")
        wanted[media] = max(float(quality), wanted.get(media, 0.0))
    openly = wanted.get(_OPEN_TYPE, 0.0)
    return openly > 0 and openly >= max(wanted.get(each, 0.0) for each in _PLAIN_TYPES)


def expose(samples: Samples, *, openly: bool) -> bytes:
    """Return all families, those without samples too. `openly`: as OpenMetrics."""
    lines = [line for family in FAMILIES for line in _family(family, samples.get(family.name, {}), openly)]
    if openly:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n").encode()


def _family(family: MetricFamily, series: dict[LabelValues, list[float]], openly: bool) -> Iterator[str]:
    name, kind = family.name, family.kind
    if openly:
        name = name.removesuffix("_total" if kind == "counter" else "_info" if kind == "info" else "\0")
    elif kind == "info":
        kind = "gauge"
    yield f"# HELP {name} {family.help}"
    yield f"# TYPE {name} {kind}"
    for labels, values in series.items():
        yield from _histogram(family, labels, values) if kind == "histogram" else _single(family, labels, values)


def _single(family: MetricFamily, labels: LabelValues, values: Sequence[float]) -> Iterator[str]:
    pairs = _pairs(family, labels)
    yield (
        f"{family.name}{{{pairs}}} {_number(values[0] / family.parts)}"
        if pairs
        else (f"{family.name} {_number(values[0] / family.parts)}")
    )


def _histogram(family: MetricFamily, labels: LabelValues, values: Sequence[float]) -> Iterator[str]:
    pairs, count = _pairs(family, labels), 0
    for bound, here in zip((*family.bounds, math.inf), values[:-1], strict=True):
        count += int(here)
        yield f'{family.name}_bucket{{{pairs},le="{_number(bound)}"}} {count}'
    yield f"{family.name}_count{{{pairs}}} {count}"
    yield f"{family.name}_sum{{{pairs}}} {_number(values[-1])}"


def _pairs(family: MetricFamily, labels: LabelValues) -> str:
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(family.labels, labels, strict=True))


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(float(value))
