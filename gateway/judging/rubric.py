"""The question to a judge of live calls: an operator's rubric, and the call as data.

Nothing in it tells the version, the arm or the model, so that no judge favours one.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from gateway.judging.question import RULES, VERDICT_SCHEMA

TASK: Final = """The rubric below is the task. Read the conversation, then grade the last answer alone by the rubric.
Score 1 for an answer that meets the rubric, 0 for one that does not, and between them for one that meets it in part.
`pass` is whether the answer is good enough for a customer.

Rubric:
{rubric}"""
LEAST_OUTPUT: Final = 1_024  # tokens for a judge's answer; a reasoning model may think with them, too
_DIGITS: Final = 12  # of a digest, enough to tell judges apart


def digest_of(target: str, rubric: str) -> str:
    """Return a digest of all that a judge's verdicts depend on: 64 hex digits."""
    parts = [target, rubric, TASK, RULES, VERDICT_SCHEMA, LEAST_OUTPUT]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def short_digest(digest: str) -> str:
    """Return the beginning of a judge's digest, as guardrails and components bear it."""
    return digest[:_DIGITS]


def task_of(rubric: str) -> str:
    """Return the task of a judge with that rubric."""
    return TASK.format(rubric=rubric)


def parts_of(conversation: str, answer: str) -> Mapping[str, str]:
    """Return the parts of the question that others wrote."""
    return {"conversation": conversation, "answer": answer}
