"""The kept corpus, a short run of each target, and steps that grow no faster than the input.

`make fuzz ARGS="--minutes 10"` is the long run.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.growth import steps
from tests.fuzz.target import CORPUS, CUTS, Target
from tests.fuzz.targets import TARGETS

pytestmark = pytest.mark.socket
KEPT = [(target, path) for target in TARGETS.values() for path in target.kept()]
IN_MEMORY = [target for target in TARGETS.values() if not target.is_slow]
REPEATED = [(target, word) for target in IN_MEMORY for word in target.words if len(word) > 1]
EXAMPLES, SLOW_EXAMPLES = 120, 40
TIMES = 60  # of a word in an input, and in the other one twice as often


def test_every_folder_of_the_corpus_is_of_a_target() -> None:
    """No input is kept that nothing reads."""
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)


@pytest.mark.parametrize(("target", "path"), KEPT, ids=[f"{target.name}-{path.name}" for target, path in KEPT])
def test_a_kept_input(target: Target, path: Path) -> None:
    """What broke a property once breaks none, whole, cut in the middle, or byte by byte."""
    data = path.read_bytes()
    for cuts in ((), (len(data) // 2,), (-1,)):
        target.check(data, cuts)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_any_bytes(target: Target) -> None:
    """Words of the language in any order, cut anywhere, break no property and raise nothing that is not foreseen."""
    most = SLOW_EXAMPLES if target.is_slow else EXAMPLES

    @settings(max_examples=most, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs(), CUTS)
    def check(data: bytes, cuts: tuple[int, ...]) -> None:
        target.check(data, cuts)

    check()


@pytest.mark.parametrize(("target", "word"), REPEATED, ids=[f"{t.name}-{w[:20]!r}" for t, w in REPEATED])
def test_steps_grow_with_the_input(target: Target, word: bytes) -> None:
    """Of twice as many words a reader makes at most some more than twice as many steps."""
    once, twice = (steps(lambda n=n: target.check(word * n, ())) for n in (TIMES, 2 * TIMES))  # type: ignore[misc]
    assert twice <= 2.5 * once + 200, (once, twice)
