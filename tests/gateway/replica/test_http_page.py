"""The page of the HTTP endpoints names every path that the gateway has."""

import re

from tests.architecture import ROOT


def test_every_path_is_on_the_page() -> None:
    """A path that nobody can read about does not exist."""
    page = (ROOT / "docs" / "http.md").read_text("utf-8")
    paths = re.findall(r'\("(/[^"]*)", [A-Z]', (ROOT / "gateway/replica/routes.py").read_text("utf-8"))
    assert len(paths) > 10
    assert [path for path in paths if f"{path}`" not in page] == []
