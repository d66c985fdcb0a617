"""`labels.jsonl`: calls that people have labelled, one JSON object a line, and how well a judge agrees with them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.judging.agreement import LEAST_KAPPA, MIN_LABELS, MIN_OF_EACH, PASSES_AT, Agreement
from gateway.judging.question import share

_MOST_LINE: Final = 64 << 10  # characters


class LabelsError(Exception):
    """A file of labels that cannot be read. The message has the line."""


@dataclass(frozen=True, slots=True)
class LabelledCall:
    """A call with a person's score and a judge's, both 0…1; `judge` is None where no judge has graded it."""

    agent: str
    human: float
    judge: float | None
    digest: str


@dataclass(slots=True)
class JudgeLabels:
    """Labels that belong to one agent and one judge."""

    agent: str
    digest: str
    agreement: Agreement = field(default_factory=Agreement)

    @property
    def passed(self) -> int:
        """Return the calls that the judge passed."""
        return self.agreement.both_pass + self.agreement.judge_only


def read_labels(lines: Iterable[str], name: str) -> list[LabelledCall]:
    """Return the labels of these lines. Raises LabelsError with `name:line`."""
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(_label(line))
        except (ValueError, RecursionError) as error:
            raise LabelsError(f"{name}:{number}: {error}") from None
    return found


def by_judge(labels: Iterable[LabelledCall]) -> list[JudgeLabels]:
    """Return the labels of judged calls by agent and judge: two judges are never added up."""
    found: dict[tuple[str, str], JudgeLabels] = {}
    for label in labels:
        if label.judge is None:
            continue
        of_judge = found.setdefault((label.agent, label.digest), JudgeLabels(label.agent, label.digest))
        of_judge.agreement = of_judge.agreement.with_label(
            judge_passes=label.judge >= PASSES_AT, person_passes=label.human >= PASSES_AT
        )
    return list(found.values())


def sentence(agreement: Agreement) -> str:
    """Return in a sentence whether a guardrail may act on a judge with these labels."""
    kappa = agreement.kappa
    if not agreement.has_enough:
        return (
            f"Too few labels to say: {agreement.labels:,} calls, {agreement.people_pass:,} good and "
            f"{agreement.people_fail:,} bad by people; {MIN_LABELS} are needed, {MIN_OF_EACH} of each."
        )
    if kappa is None:
        return "The judge found all calls alike, so nothing is known of its agreement."
    between = f"κ = {kappa.value:.2f} ({kappa.low:.2f} to {kappa.high:.2f})"
    if agreement.is_trusted:
        return f"The judge agrees with people: {between}. A guardrail may act on it."
    return f"The judge agrees too little with people: {between}, and {LEAST_KAPPA:g} is needed. It only warns."


def _label(line: str) -> LabelledCall:
    if len(line) > _MOST_LINE:
        raise ValueError("the line is too long")
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("is no JSON") from None
    if not isinstance(members, dict):
        raise ValueError("is no JSON object")
    judge = members.get("judge")
    return LabelledCall(
        str(members.get("agent", "")),
        _score(members, "human"),
        None if judge is None else _score(members, "judge"),
        str(members.get("judge_digest") or ""),
    )


def _score(members: Mapping[str, Any], name: str) -> float:
    try:
        return share(members.get(name))
    except ValueError:
        raise ValueError(f"`{name}` must be a number from 0 to 1") from None
