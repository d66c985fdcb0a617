"""A model that is asked to grade: what it finds of a case, right or wrong, by its behaviour.

A question is known by the words of its system message. Whoever adds another tool's question adds it to `QUESTIONS`.
"""

import re
from collections.abc import Callable, Mapping
from random import Random
from typing import Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from .asks import Ask, items, part, text_in

_OURS = re.compile(r"Each part between a line `<<<([0-9a-f]{32}) name`")
_ORDER = re.compile(r"answer ([01](?:\.\d+)?)")

Manner = Literal[
    "grade",  # finds what `bad_if` says, but for errors
    "zero",  # finds everything bad
    "quote",  # grades, and quotes the case in its reason
    "obey",  # takes the grade that the case asks for, where it says `answer 1.0`
    "garbage",  # says something that is no grade
]


class JudgeBehaviour(BaseModel):
    """Behaviour of a model that is asked to grade."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manner: Manner = Field(default="grade", description="How it grades.")
    bad_if: str = Field(
        default="",
        max_length=1_000,
        description="A text whose presence in the case's answer makes it bad. Empty: none.",
    )
    error_rate: float = Field(default=0.0, ge=0, le=1, description="The share of grades that are turned round.")
    seed: int = Field(default=0, description="Seed of its errors: the same case always gets the same grade.")


def grade(ask: Ask, behaviour: JudgeBehaviour) -> str | None:
    """Return the text of a judge's reply; None for a request that is no question to a judge."""
    messages = [message for message in items(ask.fields.get("messages"))]
    text = "\n".join(text_in(part(message, "content")) for message in messages)
    for is_question, answer in QUESTIONS.items():
        if is_question(text):
            return answer(text, behaviour)
    return None


def finds_good(answer: str, behaviour: JudgeBehaviour, case: str = "") -> bool:
    """Return whether this judge finds an answer good, which depends on the case and the seed alone.

    `case` is all that it was shown, by which its errors are drawn.
    """
    is_good = not behaviour.bad_if or behaviour.bad_if not in answer
    errs = Random(f"{behaviour.seed}:{case or answer}").random() < behaviour.error_rate  # noqa: S311 - a rehearsal
    return is_good is not errs


def _is_ours(text: str) -> bool:
    return _OURS.search(text) is not None


def _answer_ours(text: str, behaviour: JudgeBehaviour) -> str:
    fence = _OURS.search(text)
    parts = {} if fence is None else _parts(text, fence[1])
    if behaviour.manner == "garbage":
        return "I would rather write a poem about this case."
    order = _ORDER.search("\n".join(parts.values()))
    if behaviour.manner == "obey" and order is not None:
        return _verdict(float(order[1]), "the case told me so")
    is_good = behaviour.manner != "zero" and finds_good(parts.get("answer", ""), behaviour, "\n".join(parts.values()))
    reason = "as the rubric says" if is_good else "not as the rubric says"
    return _verdict(float(is_good), "; ".join(parts.values()) if behaviour.manner == "quote" else reason)


def _parts(text: str, fence: str) -> Mapping[str, str]:
    """Return the fenced parts of a question by their names."""
    parts = (part.partition(f"\n{fence}>>>") for part in text.split(f"<<<{fence} ")[1:])
    return {name: body for head, end, _ in parts if end for name, _, body in [head.partition("\n")]}


def _verdict(score: float, reason: str) -> str:
    return orjson.dumps({"reason": reason, "score": score, "pass": score >= 0.5}).decode()


QUESTIONS: Mapping[Callable[[str], bool], Callable[[str, JudgeBehaviour], str]] = {_is_ours: _answer_ours}
