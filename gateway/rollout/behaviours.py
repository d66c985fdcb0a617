"""Behaviours that a finished call shows: truncated, empty, a tool that nobody offered, and the like.

They are those of the version's own first attempt, and are found once its answer has gone. What is read of the request
for that is bounded, and most calls need nothing read (decision 58).
"""

from collections.abc import Collection, Mapping, Sequence

from gateway.calls import Attempt, Call, Outcome
from gateway.formats.applied import AppliedVersion
from gateway.formats.asked_facts import AskedFacts, asked_facts
from gateway.formats.earlier_calls import earlier_calls
from gateway.formats.registry import CLIENTS
from gateway.rollout.chained_calls import ChainedCalls, repeated_calls
from gateway.tool_use import AnswerEnd, ReturnedTools, without_output
from policies.behaviours.behaviours import (
    AnswerFacts,
    Behaviour,
    CalledTool,
    RequestFacts,
    behaviours_of,
)  # fmt: skip

_SEEN = (None, "bad_tool_arguments")  # failures of an attempt whose answer has come in whole
_NEVER = Attempt("", 0.0)  # of a call that no target was asked for
_NOTHING_ASKED = AskedFacts()


def shown_by(
    outcome: Outcome,
    call: Call,
    applied: Mapping[str, AppliedVersion],
    returned: ReturnedTools,
    chained: ChainedCalls,
) -> Collection[Behaviour]:
    """Return the behaviours that the call shows. `returned` are the tool results that its request brought, `chained` is
    what is known of histories that providers keep.

    The answers' text and arguments are forgotten.
    """
    attempts = outcome.attempts
    first = attempts[0] if attempts else _NEVER
    answer, asked = _answer(outcome, first), _NOTHING_ASKED
    earlier: Sequence[CalledTool] = ()
    before = chained.before(call)
    if (answer.tools or answer.text) and (version := applied.get(outcome.version)):
        values = call.document.values
        asked = asked_facts(CLIENTS[call.format], values, version)
        if answer.tools:
            earlier = earlier_calls(values)
            earlier += repeated_calls(call, before, answer.tools, earlier)
    if outcome.reason != "shadow":
        _note_chain(outcome, call, before, chained)
    for attempt in attempts:
        attempt.end = without_output(attempt.end)
    failed = sum(result.is_error for result in returned)
    return behaviours_of(answer, RequestFacts(asked.tools, asked.json, earlier, failed))


def _note_chain(outcome: Outcome, call: Call, before: str, chained: ChainedCalls) -> None:
    """Keep what was called up to the answer that the client got, where its next request may name that answer alone."""
    keeps = CLIENTS[call.format].facts.keeps_answer
    if outcome.end != "answered" or keeps is None or not keeps(call.document.values):
        return
    end = outcome.answering.end
    chained.note(call, end.answer_id, before, _called(end))


def _called(end: AnswerEnd) -> list[CalledTool]:
    arguments = end.output.arguments if end.output is not None else ()
    return [CalledTool(tool.name, said) for tool, said in zip(end.tools, arguments, strict=False)]


def _answer(outcome: Outcome, first: Attempt) -> AnswerFacts:
    """Return the facts of the first attempt's answer; of one that nobody has seen whole, none."""
    is_handed_over, end = outcome.end == "escalated", first.end
    if first.failure not in _SEEN or outcome.end == "client_gone":
        return AnswerFacts(is_handed_over=is_handed_over)
    return AnswerFacts(
        end.finish,
        None if end.output is None else end.output.text,
        _called(end),
        first.rejected and first.failure is None,
        end.is_empty,
        is_handed_over,
    )
