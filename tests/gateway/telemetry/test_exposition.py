"""The text of `/metrics`, read by Prometheus' own client library."""

from itertools import count

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from gateway.telemetry.exposition import expose, prefers_openmetrics
from gateway.telemetry.families import BUILD_INFO, CALLS, COST, DURATION, FAMILIES, STORE_UP
from gateway.telemetry.samples import Samples

SCRAPERS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


def full() -> Samples:
    """Two samples of each family, with labels that need escaping."""
    numbers = count(1)
    return {
        family.name: {
            tuple(f'{label} "{which}"\\\n' for label in family.labels): [1 if family.kind == "info" else next(numbers)]
            * family.width
            for which in ("one", "two")
        }
        for family in FAMILIES
    }


@pytest.mark.parametrize("openly", [True, False])
def test_the_library_reads_every_family(openly: bool) -> None:
    """Each under its name and type, with its labels as they are."""
    read = read_openmetrics if openly else read_plain
    families = {family.name: family for family in read(expose(full(), openly=openly).decode())}
    for family in FAMILIES:
        name = family.name.removesuffix("_total")
        found = families[name.removesuffix("_info") if openly and family.kind == "info" else name]
        assert found.type == ("gauge" if family.kind == "info" and not openly else family.kind)
        for sample in found.samples:
            assert set(sample.labels) - {"le"} == set(family.labels)
            assert all(
                text == f'{name} "one"\\\n' or text == f'{name} "two"\\\n' or name == "le"
                for name, text in sample.labels.items()
            )


def test_a_histograms_buckets_add_up() -> None:
    """Each holds those below it; the count is the last."""
    labels = ("",) * len(DURATION.labels)
    text = expose({DURATION.name: {labels: [1] * (DURATION.width - 1) + [2.5]}}, openly=False).decode()
    (found,) = [family for family in read_plain(text) if family.name == DURATION.name]
    values = [sample.value for sample in found.samples]
    assert values == [*range(1, DURATION.width), DURATION.width - 1, 2.5]


def test_dollars_are_counted_in_billionths() -> None:
    """So that sums are exact, and written as dollars."""
    line = expose({COST.name: {("",) * 6: [1_500_000_000]}}, openly=False).decode()
    assert f'{COST.name}{{agent="",version="",arm="",key="",provider="",model=""}} 1.5' in line


def test_a_family_without_samples_is_named() -> None:
    """Whoever writes a dashboard sees what there is, from the first scrape on."""
    text = expose({}, openly=True).decode()
    assert f"# TYPE {CALLS.name.removesuffix('_total')} counter" in text and text.endswith("# EOF\n")
    assert STORE_UP.name in text and BUILD_INFO.name.removesuffix("_info") in text


@pytest.mark.parametrize(
    ("accept", "openly"),
    [
        (SCRAPERS, True),
        (None, False),
        ("*/*", False),
        ("text/html,*/*;q=0.8", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.9", False),
        ("APPLICATION/OpenMetrics-Text; version=1.0.0", True),
        ("application/openmetrics-text;q=nonsense", True),
        ("\xff", False),
    ],
)
def test_the_reader_chooses_the_format(accept: str | None, openly: bool) -> None:
    """OpenMetrics where it is wanted at least as much; a browser or curl gets plain text."""
    assert prefers_openmetrics(None if accept is None else accept.encode("latin-1")) is openly
