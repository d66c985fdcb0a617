"""From rows to tables: medians over rounds, ratios between gateways, Markdown between two markers."""

from collections.abc import Callable, Iterable, Mapping
from statistics import median

from bench.gateways.measure import Row

BEGIN, END = "<!-- begin: measured -->", "<!-- end: measured -->"
OURS, DIRECT = "Serinus", "direct"
NOTHING = "–"

Medians = Mapping[tuple[str, str], float]
Column = tuple[str, Callable[[Medians, str], str]]


def medians(rows: Iterable[Row]) -> dict[tuple[str, str], float]:
    """The median over rounds, by gateway and measure."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        found.setdefault((row.gateway, row.measure), []).append(row.value)
    return {key: median(values) for key, values in found.items()}


def tables(values: Medians, names: list[str], missing: list[str]) -> str:
    """All tables, of those gateways that have figures and of those that could not be had."""
    parts = []
    for title, columns in _TABLES:
        if len(lines := _table(values, names, columns)) > 2:
            parts.append("\n".join([f"**{title}**", "", *lines]))
    parts.append("\n".join(["**Times the CPU of Serinus**", "", *_ratios(values, names)]))
    if missing:
        parts.append(f"Not installed here, and so not measured: {', '.join(missing)}.")
    if failures := _failures(values, names):
        parts.append("Calls that failed, median over rounds: " + "; ".join(failures) + ".")
    return "\n\n".join(parts)


def between_markers(text: str, inside: str) -> str:
    """The text with what stands between its markers replaced. Raises ValueError when it has none."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the text lacks {BEGIN} or {END}")
    return f"{before}{BEGIN}\n{inside}\n{END}{after}"


def ratio(values: Medians, name: str, measure: str) -> float | None:
    """How many times our cost that gateway's cost is; None when one of them is unknown or nothing."""
    theirs, ours = values.get((name, measure)), values.get((OURS, measure))
    return theirs / ours if theirs and ours else None


def number(value: float | None) -> str:
    """A figure with as many digits as it deserves."""
    if value is None:
        return NOTHING
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _table(values: Medians, names: list[str], columns: list[Column]) -> list[str]:
    columns = [column for column in columns if any(column[1](values, name) != NOTHING for name in names)]
    if not columns:
        return []
    lines = ["| gateway | " + " | ".join(title for title, _ in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(cell(values, name) for _, cell in columns) + " |")
    return lines


def _ratios(values: Medians, names: list[str]) -> list[str]:
    columns: list[Column] = [(title, _times(measure)) for title, measure in _COMPARED]
    return _table(values, [name for name in names if name != OURS], columns)


def _times(measure: str) -> Callable[[Medians, str], str]:
    return lambda values, name: number(ratio(values, name, measure))


def _value(*measures: str) -> Callable[[Medians, str], str]:
    """One figure, or several with strokes between them."""
    return lambda values, name: _joined(values.get((name, measure)) for measure in measures)


def _added(*measures: str) -> Callable[[Medians, str], str]:
    """What the gateway adds to the direct way."""

    def cell(values: Medians, name: str) -> str:
        return _joined(_over(values, name, measure) for measure in measures)

    return cell


def _joined(values: Iterable[float | None]) -> str:
    known = list(values)
    return NOTHING if known.count(None) == len(known) else " / ".join(map(number, known))


def _over(values: Medians, name: str, measure: str) -> float | None:
    with_gateway, without = values.get((name, measure)), values.get((DIRECT, measure))
    return None if with_gateway is None or without is None else with_gateway - without


def _with_store(values: Medians, name: str) -> str:
    own, store = values.get((name, "json c=16 cpu us")), values.get((name, "json c=16 store us"))
    return number(None if own is None else own + (store or 0.0))


def _per_core(values: Medians, name: str) -> str:
    cpu = values.get((name, "json c=16 cpu us"))
    return number(1e6 / cpu if cpu else None)


def _failures(values: Medians, names: list[str]) -> list[str]:
    return [
        f"{name}, {measure.removesuffix(' failed')}: {value:.0f}"
        for (name, measure), value in values.items()
        if measure.endswith(" failed") and value and name in names
    ]


_CALLS: list[Column] = [
    ("CPU µs per call", _value("json c=16 cpu us")),
    ("with the store's", _with_store),
    ("calls/s per core", _per_core),
    ("calls/s seen", _value("json c=16 rate")),
    ("p50 / p99 ms", _value("json c=16 p50 ms", "json c=16 p99 ms")),
    ("CPU µs per chunk, 64 / 500 streams", _value("streams 64 cpu us", "streams 500 cpu us")),
    ("added time to first token, 64 streams, p50 ms", _added("streams 64 first p50 ms")),
    ("memory MB", _value("memory start MB")),
]
_TABLES: list[tuple[str, list[Column]]] = [
    ("One call, 16 callers; streams of 50 chunks", _CALLS),
    ("CPU µs per call, by callers", [(f"{n}", _value(f"json c={n} cpu us")) for n in (1, 16, 64, 256)]),
    (
        "Latency over the direct way, p50 / p99 ms",
        [
            ("one caller", _added("json c=1 p50 ms", "json c=1 p99 ms")),
            ("open loop, 1,500 calls/s", _added("open 1500 p50 ms", "open 1500 p99 ms")),
            ("open loop at half the capacity (not over direct)", _value("open half p50 ms", "open half p99 ms")),
            ("that rate", _value("open half rate")),
        ],
    ),
    (
        "Memory, start, burst",
        [
            ("start to first answer s", _value("ready s")),
            ("memory at start MB", _value("memory start MB")),
            ("its embedded store MB", _value("memory store MB")),
            ("per 1,000 open streams MB (streams open)", _value("memory per 1000 streams MB", "streams open")),
            ("growth MB / over so many calls", _value("memory growth MB", "calls made")),
            ("cost after 256 connections, × before", _value("burst ratio")),
        ],
    ),
]
_COMPARED = (
    ("per call, 16 callers", "json c=16 cpu us"),
    ("per call, 256 callers", "json c=256 cpu us"),
    ("per chunk, 64 streams", "streams 64 cpu us"),
    ("per chunk, 500 streams", "streams 500 cpu us"),
)
