"""Patterns of `record_content` in the configuration: RE2's, and refused with a reason before anything is served."""

from pathlib import Path

import pytest

from tests.gateway.config.folders import ROUTING, loaded, problems


def with_patterns(written: str) -> dict[str, str]:
    return {"routing.yaml": f"{ROUTING}    record_content: {{redact: {written}}}\n"}


def test_patterns_are_resolved(tmp_path: Path) -> None:
    """In the order in which they are written."""
    rules = loaded(tmp_path, with_patterns("['ACME-[0-9]{6}', '(?i)project x']")).agents["support"].content
    assert rules is not None and rules.redact == ("ACME-[0-9]{6}", "(?i)project x")


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("['(']", "record_content.redact.0: is no RE2 pattern: missing ): ("),
        ("['x*']", "record_content.redact.0: matches the empty text"),
        ("['a', '(?=a)b']", "RE2 has no look-around and no back-references"),
    ],
)
def test_what_cannot_be_searched_for_is_named(tmp_path: Path, written: str, hint: str) -> None:
    """With its place in the list."""
    found = problems(tmp_path, with_patterns(written))
    assert any(hint in line for line in found), found
