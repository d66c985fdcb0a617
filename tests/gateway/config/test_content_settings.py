"""`record_content` of an agent: how it is written, what it becomes, and what is refused."""

from pathlib import Path

import pytest

from routing.agents import ContentRules
from tests.gateway.config.folders import ROUTING, loaded, problems


def rules(folder: Path, written: str) -> ContentRules | None:
    files = {"routing.yaml": f"{ROUTING}    record_content: {written}\n"}
    return loaded(folder, files).agents["support"].content


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("off", None),
        ("'off'", None),
        ("all", ContentRules()),
        ("{sample: 5%}", ContentRules(sample=500)),
        (
            "{retention: 2h, max_call: 8KB, max_total: 4MB}",
            ContentRules(10_000, (), 7200.0, 8 << 10, 4 << 20),
        ),
    ],
)
def test_rules_are_resolved(tmp_path: Path, written: str, expected: ContentRules | None) -> None:
    """A word, or a mapping whose members have their defaults."""
    assert rules(tmp_path, written) == expected


def test_nothing_is_recorded_unless_somebody_says_so(tmp_path: Path) -> None:
    """The texts are the users' own."""
    assert loaded(tmp_path, {"routing.yaml": ROUTING}).agents["support"].content is None


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("on", "record_content"),
        ("some", "record_content"),
        ("{sample: 0%}", "record_content.sample: must be more than 0%"),
        ("{retention: 8d}", "record_content.retention: must be 1m to 7d"),
        ("{max_call: 2MB}", "record_content.max_call: must be 1KB to 256KB"),
        ("{max_total: 1kB}", "record_content.max_total: must be 1MB to 1GB"),
    ],
)
def test_what_cannot_be_obeyed_is_named(tmp_path: Path, written: str, hint: str) -> None:
    """With the way out, before anything is served."""
    files = {"routing.yaml": f"{ROUTING}    record_content: {written}\n"}
    assert any(hint in line for line in problems(tmp_path, files)), problems(tmp_path, files)
