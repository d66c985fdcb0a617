"""Suites in the shapes that people have: each is read, or refused by name with its file and line.

Every folder in `examples` is a suite, and its `outcome.txt` is what becomes of it. With EXAMPLES=renew in the
environment the outcomes are written anew; read the difference before it is committed.
"""

import os
from pathlib import Path

import pytest

from evals.suites.datasets.detection import DIALECTS
from tests.evals.suites.outcome import OUTCOME, outcome

EXAMPLES = sorted(path for path in (Path(__file__).parent / "examples").iterdir() if path.is_dir())


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_is_read_or_refused_by_name(folder: Path) -> None:
    """Its cases, checks and notes are those that were agreed on; or each mistake has its line and a way out."""
    expected = folder / OUTCOME
    if os.environ.get("EXAMPLES") == "renew":
        expected.write_text(outcome(folder), "utf-8")
    assert outcome(folder) == expected.read_text("utf-8")


def test_there_are_examples_of_every_dialect() -> None:
    """Each dialect is read in at least one example, and promptfoo's in more than forty."""
    firsts = [(folder / OUTCOME).read_text("utf-8").partition(":")[0] for folder in EXAMPLES]
    refused = {"deepeval-conversations"}
    assert {dialect.name for dialect in DIALECTS} - refused | {"promptfoo", "serinus"} <= set(firsts)
    assert sum((folder / "promptfooconfig.yaml").exists() for folder in EXAMPLES) > 40


def test_every_refusal_has_a_file_and_a_line() -> None:
    """Nobody has to search for what a sentence means."""
    lines = [line for folder in EXAMPLES for line in (folder / OUTCOME).read_text("utf-8").splitlines()]
    refusals = [line.removeprefix("refused: ") for line in lines if line.startswith("refused: ")]
    assert len(refusals) > 60
    assert [line for line in refusals if not line.split(": ")[0].rpartition(":")[2].isdigit()] == []
