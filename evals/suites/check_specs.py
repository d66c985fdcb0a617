"""The checks of a suite, each once, and who says what is wrong with one."""

from collections.abc import Callable, Iterable, Iterator

from evals.cases import Case, CheckSpec, Problem

CheckProblems = Callable[[CheckSpec], Iterable[Problem]]


def no_problems(_spec: CheckSpec) -> Iterable[Problem]:
    """Return no problem: whoever reads a suite without its checks asks for none."""
    return ()


def specs_of(cases: Iterable[Case]) -> Iterator[CheckSpec]:
    """Yield every check of the cases once; those of a set come with it."""
    seen: set[str] = set()
    for spec in (spec for case in cases for spec in case.checks):
        if (written := repr(spec)) not in seen:
            seen.add(written)
            yield spec
