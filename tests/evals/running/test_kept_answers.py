"""The file of kept answers: of bounded size, however many runs share it."""

import sqlite3
from pathlib import Path

from evals.running.kept_answers import kept_answers

MOST = 1_000_000
ANSWER = b"x" * 10_000


def test_the_oldest_answers_are_forgotten(tmp_path: Path) -> None:
    """All together stay below the bound, and the newest are there."""
    with kept_answers(tmp_path / "answers", MOST) as kept:
        for number in range(500):
            kept.keep(f"key-{number}", ANSWER)
        found = [kept.find(f"key-{number}") is not None for number in range(500)]
    assert found == sorted(found) and 60 <= sum(found) <= 100
    assert (tmp_path / "answers").stat().st_size < 1.2 * MOST


def test_runs_that_share_the_file_share_the_bound(tmp_path: Path) -> None:
    """Each sees what the other has kept."""
    with kept_answers(tmp_path / "answers", MOST) as ours, kept_answers(tmp_path / "answers", MOST) as theirs:
        for number in range(200):
            (ours, theirs)[number % 2].keep(f"key-{number}", ANSWER)
        assert ours.find("key-199") and theirs.find("key-198") and not theirs.find("key-0")
    assert (tmp_path / "answers").stat().st_size < 1.2 * MOST


def test_a_file_of_an_earlier_release_is_bounded(tmp_path: Path) -> None:
    """It had no bound of all answers, and no index by age."""
    with sqlite3.connect(tmp_path / "answers") as old:
        old.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, at REAL NOT NULL, answer BLOB NOT NULL)")
        old.executemany("INSERT INTO answers VALUES (?, 4e9, ?)", ((str(number), ANSWER) for number in range(300)))
    old.close()
    with kept_answers(tmp_path / "answers", MOST) as kept:
        kept.keep("new", b"answer")
        assert sum(kept.find(str(number)) is not None for number in range(300)) < 100


def test_a_bound_below_one_answer_keeps_none(tmp_path: Path) -> None:
    """It ends all the same."""
    with kept_answers(tmp_path / "answers", 1) as kept:
        kept.keep("key", ANSWER)
        assert kept.find("key") is None
