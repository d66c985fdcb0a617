"""The documentation quotes measurements between marks."""

from pathlib import Path

import pytest

from bench.quoting import quote


def test_a_measurement_replaces_the_one_before(tmp_path: Path) -> None:
    """Only what stands between its own marks, with the command that made it."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a begins -->\nold\n<!-- a ends -->\n<!-- b begins -->\n<!-- b ends -->\n")
    quote("a", ["| new |"], "python -m a", page)
    text = page.read_text()
    assert "old" not in text and "`python -m a`" in text
    assert text.startswith("before\n<!-- a begins -->\n") and "\n| new |\n<!-- a ends -->\n<!-- b begins -->" in text


def test_a_page_without_the_marks_is_left_alone(tmp_path: Path) -> None:
    """Rather than have the rest of it swallowed."""
    page = tmp_path / "page.md"
    page.write_text("<!-- a begins -->\nand no end\n")
    with pytest.raises(ValueError, match="lacks the marks"):
        quote("a", ["| new |"], "python -m a", page)
    assert page.read_text() == "<!-- a begins -->\nand no end\n"
