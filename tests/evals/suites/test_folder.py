"""Files of a suite: what leads out of its repository, blocks or is too large is refused in a sentence."""

import os
from pathlib import Path

import pytest

from evals.cases import SourceLine, SuiteError
from evals.suites.folder import SuiteFolder
from gateway.config.suite_files import MAX_FILE_BYTES, MAX_FILES

PLACE = SourceLine("suite.yaml", 3)


@pytest.fixture
def folder(tmp_path: Path) -> SuiteFolder:
    """A suite in the folder `evals` of a repository, beside which lies a secret."""
    (tmp_path / "secret").write_text("key")
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    evals = tmp_path / "repository" / "evals"
    evals.mkdir()
    (evals / "suite.yaml").write_text("cases: []\n")
    (evals / "a.txt").write_text("first")
    (evals / "b.txt").write_text("second")
    (tmp_path / "repository" / "shared.txt").write_text("shared")
    return SuiteFolder(evals / "suite.yaml")


def refused(folder: SuiteFolder, path: str) -> str:
    """Return why the file is not read."""
    with pytest.raises(SuiteError) as error:
        folder.read(Path(path), PLACE)
    return str(error.value)


def test_a_file_of_the_repository_is_read(folder: SuiteFolder) -> None:
    """Also one above the suite, and one by its absolute path."""
    assert folder.read(Path("a.txt"), PLACE) == b"first"
    assert folder.read(Path("../shared.txt"), PLACE) == b"shared"
    assert folder.read(folder.root / "shared.txt", PLACE) == b"shared"


@pytest.mark.parametrize("path", ["../../secret", "/etc/passwd", "/proc/self/environ", "/dev/zero"])
def test_a_path_out_of_the_repository_is_refused(folder: SuiteFolder, path: str) -> None:
    """A suite of a stranger's pull request reads no key of the machine that runs it."""
    assert refused(folder, path).startswith("suite.yaml:3: ")
    assert "is outside of" in refused(folder, path)


def test_a_link_out_of_the_repository_is_refused(folder: SuiteFolder) -> None:
    """Git keeps symbolic links: where they lead is what counts."""
    os.symlink("../../secret", folder.base / "innocent.txt")
    assert "is outside of" in refused(folder, "innocent.txt")
    os.symlink("../shared.txt", folder.base / "within.txt")
    assert folder.read(Path("within.txt"), PLACE) == b"shared"


@pytest.mark.parametrize("path", [".env", "../.env", "../.git/config", "linked"])
def test_a_hidden_file_is_refused(folder: SuiteFolder, path: str) -> None:
    """A checkout of CI has its token in `.git/config`, and what a suite reads goes to a model and into a comment."""
    for name in (".env", "../.env", "../.git/config"):
        (folder.base / name).write_text("token")
    os.symlink("../.git/config", folder.base / "linked")
    assert "hidden files hold keys" in refused(folder, path)


def test_a_suite_in_a_hidden_folder_reads_its_own_files(tmp_path: Path) -> None:
    """`.github/evals` is where some keep them."""
    evals = tmp_path / ".github" / "evals"
    evals.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("a.txt", "../b.txt", "../../c.txt"):
        (evals / name).write_text("x")
        assert SuiteFolder(evals / "suite.yaml").read(Path(name), PLACE) == b"x"


def test_a_loop_of_links_ends(folder: SuiteFolder) -> None:
    """Two links that lead to each other are no file."""
    os.symlink("two", folder.base / "one")
    os.symlink("one", folder.base / "two")
    assert "suite.yaml:3: 'one'" in refused(folder, "one")


def test_a_suite_without_a_repository_keeps_to_its_folder(tmp_path: Path) -> None:
    """Nothing above it belongs to it."""
    (tmp_path / "suite").mkdir()
    (tmp_path / "above.txt").write_text("x")
    assert "is outside of" in refused(SuiteFolder(tmp_path / "suite" / "suite.yaml"), "../above.txt")


def test_a_pipe_does_not_block(folder: SuiteFolder) -> None:
    """Nor does a folder raise anything but a sentence."""
    os.mkfifo(folder.base / "pipe")
    assert "no regular file" in refused(folder, "pipe")
    assert "no regular file" in refused(folder, ".")


def test_what_is_no_path_is_refused(folder: SuiteFolder) -> None:
    """A NUL, or a name that no file system takes."""
    assert "is no path" in refused(folder, "a\0b")
    assert "cannot be read" in refused(folder, "x" * 5_000)
    assert "does not exist" in refused(folder, "nowhere.txt")


def test_a_large_file_is_refused_unread(folder: SuiteFolder) -> None:
    """A file of many gigabytes costs nothing: its size is asked first."""
    with (folder.base / "large.csv").open("wb") as file:
        file.truncate(MAX_FILE_BYTES * 1_000)
    assert "is larger than 32 MiB" in refused(folder, "large.csv")


def test_all_files_together_are_bounded(folder: SuiteFolder) -> None:
    """Three files below the bound are too many when they are above it together."""
    for name in "xyz":
        (folder.base / name).write_bytes(b"x" * (MAX_FILE_BYTES - 1))
    folder.read(Path("x"), PLACE)
    folder.read(Path("y"), PLACE)
    assert "larger than 64 MiB together" in refused(folder, "z")


def test_a_pattern_names_files_in_order(folder: SuiteFolder) -> None:
    """Folders are left out; a path without a star is itself."""
    (folder.base / "folder.txt").mkdir()
    assert [path.name for path in folder.matching("*.txt", folder.base, PLACE)] == ["a.txt", "b.txt"]
    assert [path.name for path in folder.matching("no.txt", folder.base, PLACE)] == ["no.txt"]


@pytest.mark.parametrize("pattern", ["../../*", "/etc/*", "none-*.txt"])
def test_a_pattern_out_of_the_folder_is_refused(folder: SuiteFolder, pattern: str) -> None:
    """As is one that matches nothing."""
    with pytest.raises(SuiteError, match=r"^suite.yaml:3: "):
        folder.matching(pattern, folder.base, PLACE)


def test_a_pattern_of_too_many_files_is_refused(folder: SuiteFolder) -> None:
    """The sentence comes before they are all listed."""
    many = folder.base / "many"
    many.mkdir()
    for number in range(MAX_FILES + 1):
        (many / f"{number}.txt").touch()
    with pytest.raises(SuiteError, match="matches more than"):
        folder.matching("many/*", folder.base, PLACE)


def test_a_pattern_reaches_through_folders(folder: SuiteFolder) -> None:
    """`**` stands for any number of them, hidden ones left out; each file comes once."""
    for name in ("x/y/deep.txt", "x/.hidden/no.txt", ".git/no.txt"):
        (folder.base / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.base / name).touch()
    names = [str(path.relative_to(folder.base)) for path in folder.matching("**/*.txt", folder.base, PLACE)]
    assert names == ["a.txt", "b.txt", "x/y/deep.txt"]
    assert len(folder.matching("**", folder.base, PLACE)) == 4
    assert [path.name for path in folder.matching("x/*/d[e]?p.*", folder.base, PLACE)] == ["deep.txt"]


def test_links_to_folders_do_not_multiply(folder: SuiteFolder) -> None:
    """Two links that lead to their own folder would double the walk with every step of it."""
    os.symlink(".", folder.base / "one")
    os.symlink(".", folder.base / "two")
    assert len(folder.matching("**/*.txt", folder.base, PLACE)) == 2
    with pytest.raises(SuiteError, match="matches no file"):
        folder.matching("/".join(["*"] * 60), folder.base, PLACE)


def test_stars_that_match_too_much_end(folder: SuiteFolder) -> None:
    """Repeated `**` walk the same folders again and again, up to a bound."""
    (folder.base / "/".join("d" * 60)).mkdir(parents=True)
    with pytest.raises(SuiteError, match="leads through more than 2,000 entries"):
        SuiteFolder(folder.base / "suite.yaml", 2_000).matching("**/**/**/none", folder.base, PLACE)
    assert len(folder.matching("**/**/*.txt", folder.base, PLACE)) == 2
    (folder.base / "/".join("d" * 120)).mkdir(parents=True)
    with pytest.raises(SuiteError, match="leads through more than 100 folders"):
        folder.matching("**/none", folder.base, PLACE)


def test_the_digest_covers_what_was_read(folder: SuiteFolder) -> None:
    """Content and names, in whatever order; not where the repository lies."""
    folder.read(Path("b.txt"), PLACE)
    folder.read(Path("a.txt"), PLACE)
    other = SuiteFolder(folder.base / "suite.yaml")
    other.read(Path("a.txt"), PLACE)
    only_one = other.digest()
    other.read(Path("b.txt"), PLACE)
    assert folder.digest() == other.digest() != only_one
    (folder.base / "a.txt").write_text("changed")
    changed = SuiteFolder(folder.base / "suite.yaml")
    changed.read(Path("a.txt"), PLACE)
    assert changed.digest() != only_one
