"""Puts what was measured between its marks in a page of the documentation."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

STATISTICS = Path(__file__).parent.parent / "docs" / "statistics.md"


def quote(name: str, lines: Sequence[str], command: str, document: Path = STATISTICS) -> None:
    """Replace what stands between `<!-- name begins -->` and `<!-- name ends -->`, with the command that measured it.

    Raises ValueError when the document has no such marks.
    """
    begin, end = f"<!-- {name} begins -->", f"<!-- {name} ends -->"
    before, found, rest = document.read_text().partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{document} lacks the marks {begin} and {end}")
    made = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}:"
    document.write_text("\n".join([f"{before}{begin}", made, "", *lines, f"{end}{after}"]))
