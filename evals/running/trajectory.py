"""A conversation of an evaluation: a version is asked until it needs no tool whose result the suite has."""

from collections.abc import Sequence
from typing import Any

import orjson

from evals.answer import CaseAnswer, TrajectoryStep
from evals.cases import Case, ChatMessage
from evals.running.targets import TargetFailed, Targets, TurnAnswer
from evals.running.tool_results import ToolFailed, ToolResults, tool_results
from routing.agents import AgentVersion


class Undecided(Exception):
    """The case has no result: provider or suite failed, and not the version."""


async def answer_case(targets: Targets, version: AgentVersion, case: Case) -> CaseAnswer:
    """Ask the version one case. What the version itself is to blame for is an answer with an error.

    Raises Undecided, and LimitReached before a call that the limit does not allow.
    """
    try:
        async with tool_results(case.tool_results) as results:
            return await _converse(targets, version, case, results)
    except ToolFailed as failed:
        raise Undecided(str(failed)) from None


async def _converse(targets: Targets, version: AgentVersion, case: Case, results: ToolResults) -> CaseAnswer:
    messages: list[ChatMessage] = list(case.messages)
    steps: list[TrajectoryStep] = []
    turns: list[TurnAnswer] = []
    while True:
        try:
            turns.append(await targets.ask(version, messages, case.inputs))
        except TargetFailed as error:
            if error.is_outage:
                raise Undecided(str(error)) from None
            return _answer(version, turns, steps, str(error))
        calls = turns[-1].tool_calls
        given = [await results.result_of(call) for call in calls]
        steps += [TrajectoryStep(len(turns), call, result) for call, result in zip(calls, given, strict=True)]
        if not calls or None in given:
            return _answer(version, turns, steps)
        if len(turns) >= case.max_turns:
            return _answer(version, turns, steps, f"still calls tools after {case.max_turns} turns")
        messages.append({"role": "assistant", **turns[-1].message})
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(calls, given, strict=True)
        ]


def _answer(
    version: AgentVersion, turns: Sequence[TurnAnswer], steps: Sequence[TrajectoryStep], error: str = ""
) -> CaseAnswer:
    costs = [turn.cost_nano_usd for turn in turns]
    known = [cost for cost in costs if cost is not None]
    sums: dict[str, Any] = {
        "turns": len(turns),
        "latency_seconds": sum(turn.seconds for turn in turns),
        "cost_nano_usd": sum(known) if len(known) == len(costs) else None,
        "input_tokens": sum(turn.usage.input for turn in turns),
        "output_tokens": sum(turn.usage.output for turn in turns),
    }
    last = turns[-1] if turns else None
    return CaseAnswer(
        text=last.text if last else "",
        finish_reason=last.finish_reason if last else "",
        tool_calls=last.tool_calls if last else (),
        steps=tuple(steps),
        offered=tuple(orjson.loads(tool.definition) for tool in version.tools),
        model=str(version.target),
        error=error,
        raw=last.message if last else None,
        **sums,
    )
