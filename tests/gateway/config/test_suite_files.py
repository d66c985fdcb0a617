"""Files of a suite, held against what its record says of them."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from gateway.config.suite_files import PatternTooWideError, PatternWalk, changed_file, suite_file


def suite(folder: Path) -> tuple[Path, dict[str, str]]:
    """A suite of three files, one of them behind a link, and their digests."""
    (folder / "cases").mkdir()
    for name in ("s.yaml", "cases/a.jsonl", "old.txt", "other.txt"):
        (folder / name).write_text(name)
    (folder / "now.txt").symlink_to("old.txt")
    names = ("s.yaml", "cases/a.jsonl", "now.txt")
    return folder / "s.yaml", {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}


def relink(folder: Path) -> None:
    (folder / "now.txt").unlink()
    (folder / "now.txt").symlink_to("other.txt")


def replace_by_pipe(folder: Path) -> None:
    (folder / "now.txt").unlink()
    os.mkfifo(folder / "now.txt")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "nothing": (lambda folder: None, ""),
    "an edit": (lambda folder: (folder / "cases/a.jsonl").write_text("{}"), "cases/a.jsonl"),
    "an empty suite": (lambda folder: (folder / "s.yaml").write_text("cases: []"), "s.yaml"),
    "a link to another file": (relink, "now.txt"),
    "a pipe": (replace_by_pipe, "now.txt"),
    "a file that is gone": (lambda folder: (folder / "cases/a.jsonl").unlink(), "cases/a.jsonl"),
    "one more file of a pattern": (lambda folder: (folder / "cases/b.jsonl").write_text(""), "cases/b.jsonl"),
    "no suite at all": (lambda folder: (folder / "s.yaml").unlink(), ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_suite_is_seen(tmp_path: Path, change: str) -> None:
    """By the name of the first file that is other; where the suite is not there, nothing can be compared."""
    (path, files), (make, name) = suite(tmp_path), CHANGES[change]
    make(tmp_path)
    assert changed_file(path, files, ["cases/*.jsonl"]) == name


@pytest.mark.parametrize("names", [{}, {"cases/a.jsonl": "0" * 64}])
def test_a_record_that_leaves_the_suite_out_is_void(tmp_path: Path, names: dict[str, str]) -> None:
    """It was written by hand."""
    path, _ = suite(tmp_path)
    assert changed_file(path, names, []) == "s.yaml"


def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    """Also where a record names one large file many times."""
    path, files = suite(tmp_path)
    many = {"/".join(["."] * number) + "/s.yaml": files["s.yaml"] for number in range(1, 9)}
    assert changed_file(path, {"s.yaml": files["s.yaml"], **many}, [], 30) == "./././././s.yaml"
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert changed_file(path, {"s.yaml": files["s.yaml"], "zero": "0" * 64}, []) == "zero"


def test_a_pattern_that_leads_too_far_ends(tmp_path: Path) -> None:
    """By the number of entries, and of levels; such a record is void."""
    path, files = suite(tmp_path)
    with pytest.raises(PatternTooWideError, match="more than 2 entries"):
        list(PatternWalk(2).files(tmp_path, ("*",)))
    wide = "/".join(["**"] * 200)
    assert changed_file(path, files, [wide]) == wide


def test_a_suite_is_found_beside_the_configuration(tmp_path: Path) -> None:
    """Or in it; one that is nowhere is named as it would be there."""
    folder = tmp_path / "config"
    (folder / "evals").mkdir(parents=True)
    (tmp_path / "outside.yaml").write_text("")
    (folder / "evals/inside.yaml").write_text("")
    assert suite_file(folder, "outside.yaml") == tmp_path / "outside.yaml"
    assert suite_file(folder, "evals/inside.yaml") == folder / "evals/inside.yaml"
    assert suite_file(folder, "none.yaml") == folder / "none.yaml"
