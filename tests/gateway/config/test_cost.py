"""What a broken configuration costs: no more than in proportion to its size, and never more than a page to read."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gateway.config import ConfigProblems
from gateway.config.problems import MAX_PROBLEMS, Problem, unknown
from gateway.config.strict_yaml import parse
from tests.gateway.config.folders import FILES, GATEWAY, ROUTING, loaded

LINEAR, QUADRATIC = 4.0, 16.0  # how much more four times as much costs
SMALL = 4_000
LINES: Mapping[str, Callable[[int], str]] = {
    "a lost quote, and `, {`": lambda n: 'prompt: "' + ", {" * n,
    "a lost quote, and `{:`": lambda n: 'prompt: "' + "{: " * n,
    "a lost quote, and commas behind a brace": lambda n: 'prompt: "{' + ", " * n,
    "a list without an end": lambda n: "a: [" + "x, " * n,
    "duplicate keys": lambda n: "a: 1\n" * n,
    "anchors": lambda n: "".join(f"a{i}: &x 1\n" for i in range(n)),
    "depth": lambda n: "[" * n,
    "digits": lambda n: f"a: {'9' * n}",
    "a key of great length": lambda n: f"{'k' * n}: 1\n{'k' * n}: 2",
}


def cost(work: Callable[[], object]) -> float:
    """Seconds of CPU time of this thread, the least of several tries."""
    tries = []
    for _ in range(5):
        began = time.thread_time()
        work()
        tries.append(time.thread_time() - began)
    return min(tries)


@pytest.mark.parametrize("line", LINES)
def test_a_broken_file_costs_in_proportion_to_its_size(line: str) -> None:
    """Four times as much text is far from sixteen times the work, also on the way to the hint."""
    small, large = LINES[line](SMALL), LINES[line](4 * SMALL)
    slack = 0.002  # seconds: what takes no time at all has no ratio
    assert cost(lambda: parse(large, "f")) < (LINEAR + QUADRATIC) / 2 * (cost(lambda: parse(small, "f")) + slack)


def test_the_hint_about_a_bare_variable_survives() -> None:
    """Anywhere behind a brace, on a long line too."""
    for text in ("a: {b: ${X}}", "a: {b: c, ${X}}", f"a: {{b: {'x' * 10_000}, c: ${{X}}}}"):
        [problem] = parse(text, "f").problems
        assert problem.message.endswith('; within { } a variable needs quotes: "${NAME}"')


def test_what_is_wrong_is_told_a_hundred_times_at_most(tmp_path: Path) -> None:
    """Thousands of unknown names make a page, which says that there is more."""
    rules = "".join(f"      - {{when: {{group: g}}, use: w{n}}}\n" for n in range(5_000))
    with pytest.raises(ConfigProblems) as caught:
        loaded(tmp_path, {"routing.yaml": f"{ROUTING}    rules:\n{rules}"})
    assert len(caught.value.problems) == MAX_PROBLEMS and caught.value.left_out
    assert str(caught.value).splitlines()[-1].startswith("and at least ")


def test_many_names_are_not_compared_with_many(tmp_path: Path) -> None:
    """Four times the names, each unknown among all: not sixteen times the work."""

    def load(count: int) -> None:
        providers = "".join(f"  p{n}: {{api: openai}}\n" for n in range(count))
        chain = ", ".join(f"q{n}/m" for n in range(count))
        with pytest.raises(ConfigProblems):
            loaded(
                tmp_path,
                {**FILES, "gateway.yaml": GATEWAY + providers, "routing.yaml": f"{ROUTING}    fallback: [{chain}]\n"},
            )

    small, large = cost(lambda: load(400)), cost(lambda: load(1600))
    assert large < (LINEAR + QUADRATIC) / 2 * small


def test_a_word_of_great_length_is_not_compared() -> None:
    """It is cut where it is shown, and no name is near it."""
    message = unknown("agent", "x" * 100_000, [f"agent-{n}" for n in range(100)])
    assert len(message) < 500 and "did you mean" not in message


def test_a_few_problems_are_all_told() -> None:
    """Nothing is left out, and nothing says so."""
    problems = ConfigProblems([Problem("f", n, "", "wrong") for n in range(MAX_PROBLEMS)])
    assert (len(problems.problems), problems.left_out) == (MAX_PROBLEMS, 0)
    assert "more" not in str(problems)
