"""Schema of `review` in `routing.yaml`: which calls of an agent wait for people who say how good they were."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field

from gateway.config.fields import StrictModel, Weight
from gateway.config.nodes import Node, Path
from gateway.config.problems import Problem, quoted
from routing.agents import ReviewRules

_USUAL: Final = ReviewRules()
_OF_JUDGE: Final = ("low_judge", "disagree")
_RECORDED = "only calls whose texts are recorded can be reviewed; add `record_content: all`, or remove `review`"
Plus = Literal["low_judge", "disagree", "escalated"]


def each_once(value: tuple[Plus, ...]) -> tuple[Plus, ...]:
    """Kinds of calls, each named once. Raises ValueError with a hint."""
    if len(set(value)) < len(value):
        raise ValueError("names a kind of calls twice")
    return value


class ReviewEntry(StrictModel):
    """The calls of an agent that people review."""

    sample: Weight = Field(
        default=_USUAL.sample,
        description="The share of the recorded calls that wait for a review, 0% to 100%. Default: 1%.",
    )
    plus: Annotated[tuple[Plus, ...], AfterValidator(each_once), Field(max_length=len(get_args(Plus)))] = Field(
        default=(),
        description="Calls that wait for a review in any case: `low_judge` (the judge failed the answer), `disagree` "
        "(judge and feedback contradict each other), `escalated` (it went to a person). Default: none.",
    )


def review_rules(entry: ReviewEntry | None) -> ReviewRules | None:
    """Return the rules; None where nobody reviews."""
    if entry is None:
        return None
    return ReviewRules(entry.sample, entry.plus)


def review_problems(entry: Node, path: Path) -> Iterator[Problem]:
    """Return why calls that are to be reviewed could not be: no texts of them are kept, or nobody judges them."""
    review = entry.get("review")
    if review is None:
        return
    if review.value is None:
        yield review.problem((*path, "review"), "is empty; write `review: {}` for the usual sample, or remove it")
        return
    recorded = entry.get("record_content")
    if recorded is None or recorded.value in (None, False, "off"):
        yield review.problem((*path, "review"), _RECORDED)
    judge, plus = entry.get("judge"), review.get("plus")
    if judge is not None and judge.value is not None:
        return
    for index, kind in enumerate(plus.items if plus is not None else ()):
        if kind.value in _OF_JUDGE:
            message = f"{quoted(kind.value)} needs a judge; add `judge`, or remove it here"
            yield kind.problem((*path, "review", "plus", index), message)
