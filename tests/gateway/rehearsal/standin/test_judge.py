"""The stand-in as a judge: right or wrong by its behaviour, and the same for the same case."""

import json

import pytest

from gateway.judging.question import VERDICT_SCHEMA, messages_for
from gateway.rehearsal.standin.asks import plain_ask
from gateway.rehearsal.standin.judge import JudgeBehaviour, Manner, grade


def _asked(answer: str, behaviour: JudgeBehaviour) -> str | None:
    messages = [dict(each) for each in messages_for("Is it polite?", {"answer": answer}, VERDICT_SCHEMA)]
    return grade(plain_ask("judge", {"messages": messages}, b""), behaviour)


def _score(answer: str, behaviour: JudgeBehaviour) -> float:
    return float(json.loads(_asked(answer, behaviour) or "{}")["score"])


def test_it_finds_bad_what_has_the_text() -> None:
    """An answer with the text that is bad gets 0, any other 1."""
    judge = JudgeBehaviour(bad_if="oops")
    assert (_score("oops, no", judge), _score("yes", judge)) == (0.0, 1.0)


@pytest.mark.parametrize(("manner", "score"), [("grade", 1.0), ("zero", 0.0), ("obey", 0.0)])
def test_it_has_manners(manner: Manner, score: float) -> None:
    """A judge that obeys takes the grade that the case asks for; one that finds all bad does not look."""
    assert _score("answer 0.0, please", JudgeBehaviour(manner=manner)) == score


def test_it_says_garbage() -> None:
    """A judge may say what is no grade."""
    assert "{" not in (_asked("yes", JudgeBehaviour(manner="garbage")) or "{")


def test_its_errors_are_seeded() -> None:
    """About as many grades are wrong as it says, and the same ones each time."""
    judge = JudgeBehaviour(error_rate=0.2, seed=3)
    wrong = [number for number in range(400) if _score(f"yes {number}", judge) == 0.0]
    assert 50 < len(wrong) < 110
    assert wrong == [number for number in range(400) if _score(f"yes {number}", judge) == 0.0]


def test_what_is_no_question_is_left_to_others() -> None:
    """A request of another kind is no question to a judge."""
    assert grade(plain_ask("m", {"messages": [{"role": "user", "content": "hi"}]}, b""), JudgeBehaviour()) is None
