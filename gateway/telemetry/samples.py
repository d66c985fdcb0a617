"""Samples of metrics: taken in one process, sent to another, and added up.

Samples are the values of families by name, and by the values of their labels. A value is a list of numbers: one for a
counter or gauge, for a histogram the count of each bucket and then the sum.
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from gateway.telemetry.families import COUNTED, FAMILIES, Merge, MetricFamily

LabelValues = tuple[str, ...]
Samples = dict[str, dict[LabelValues, list[float]]]

_FAMILIES = {family.name: family for family in FAMILIES}
_LASTING = frozenset(family.name for family in COUNTED)


def pack(samples: Samples) -> bytes:
    """Return the samples as JSON, for another process."""
    return orjson.dumps({name: list(series.items()) for name, series in samples.items()})


def unpack(data: bytes) -> Samples:
    """Return the samples that `pack` packed."""
    return _samples(orjson.loads(data))


def unpack_all(data: bytes) -> list[Samples]:
    """Return each of several packed samples, which stand in an array."""
    return [_samples(packed) for packed in orjson.loads(data)]


def add_up(reports: Iterable[Samples]) -> Samples:
    """Return the samples of several processes as one: sums, or the largest or smallest, as each family says.

    A series of another shape than the family has here is of another version of the gateway, and is left out.
    """
    total: Samples = {}
    for report in reports:
        for name, series in report.items():
            family, sums = _FAMILIES.get(name), total.setdefault(name, {})
            for labels, values in series.items():
                if family is None or _fits(family, labels, values):
                    merge = family.merge if family else "sum"
                    sums[labels] = _merge(merge, sums[labels], values) if labels in sums else values
    return total


def lasting(samples: Samples) -> Samples:
    """Return what a process that has ended still counts for: its counters, without its gauges."""
    return {name: series for name, series in samples.items() if name in _LASTING}


def _samples(packed: Mapping[str, Sequence[tuple[Sequence[str], list[float]]]]) -> Samples:
    return {name: {tuple(labels): values for labels, values in series} for name, series in packed.items()}


def _fits(family: MetricFamily, labels: LabelValues, values: list[float]) -> bool:
    return len(labels) == len(family.labels) and len(values) == family.width


def _merge(merge: Merge, ours: list[float], theirs: list[float]) -> list[float]:
    if merge == "sum":
        return [one + other for one, other in zip(ours, theirs, strict=False)]
    choose = max if merge == "max" else min
    return [choose(one, other) for one, other in zip(ours, theirs, strict=True)]
