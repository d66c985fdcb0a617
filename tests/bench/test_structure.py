"""The figures on the code's shape count what they say."""

from pathlib import Path

from bench.structure import figures

SOURCES = {
    "gateway/__init__.py": "",
    "gateway/errors.py": "class Twice: ...",
    "gateway/store/__init__.py": "",
    "gateway/store/seam.py": "from gateway.errors import Twice\nfrom gateway.store import redis\nclass Twice: ...",
    "policies/calls/retry.py": 'def wait() -> None:\n    """Whether it waits."""',
    "routing/plan.py": 'async def _sent() -> None:\n    """Send the plan."""',
}


def test_a_small_house_is_counted(tmp_path: Path) -> None:
    """Rooms, arrows between them, names that stand twice, participles, and first lines that lean on others."""
    for name, text in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = figures(tmp_path)
    assert (found["modules_flat_in_gateway"], found["rooms"], found["arrows_between_rooms"]) == (1, 5, 1)
    assert (found["class_names_that_stand_twice"], found["async_participles"]) == (1, 1)
    assert (found["docstrings"], found["first_lines_that_lean"]) == (2, 1)
