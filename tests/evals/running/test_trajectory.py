"""Conversations with tools: the suite plays the tools, from a version file alone."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evals.answer import CaseAnswer
from evals.running.trajectory import Undecided, answer_case
from gateway.rehearsal.standin import ModelBehaviour
from routing.agents import AgentVersion, PromptInput, Target, Tool
from tests.support.evaluations import case_of, evaluated

pytestmark = pytest.mark.socket
LOOKUP = {"type": "function", "function": {"name": "lookup_order", "parameters": {"type": "object", "properties": {}}}}
AGENT = AgentVersion("v1", Target("standin", "good"), "You help.", tools=(Tool("lookup_order", json.dumps(LOOKUP)),))
SHIPPED = {"lookup_order": {"status": "shipped"}}


async def answered(tmp_path: Path, **case: object) -> tuple[CaseAnswer, list[dict[str, object]]]:
    """The answer to a case that wants the tool called, and the bodies that the provider got."""
    async with evaluated(tmp_path) as (standin, targets):
        answer = await answer_case(targets, AGENT, case_of("one", "call lookup_order", **case))  # type: ignore[arg-type]
        return answer, [json.loads(request.body) for request in standin.requests]


async def test_the_suite_plays_the_tools(tmp_path: Path) -> None:
    """The call gets its result as JSON, the model goes on, and both turns are counted."""
    answer, bodies = await answered(tmp_path, tool_results=SHIPPED)
    assert (answer.turns, answer.finish_reason, answer.error) == (2, "stop", "")
    assert [(step.call.name, step.result, step.turn) for step in answer.steps] == [
        ("lookup_order", '{"status":"shipped"}', 1)
    ]
    last = bodies[-1]["messages"]
    assert isinstance(last, list) and [message["role"] for message in last] == ["system", "user", "assistant", "tool"]
    assert answer.cost_nano_usd is not None and answer.cost_nano_usd > 8_000_000


async def test_a_tool_without_a_result_ends_the_conversation(tmp_path: Path) -> None:
    """Its call is the answer."""
    answer, bodies = await answered(tmp_path)
    assert len(bodies) == 1
    assert [call.name for call in answer.tool_calls] == ["lookup_order"]
    assert answer.finish_reason == "tool_calls"


async def test_a_list_is_used_up_call_by_call(tmp_path: Path) -> None:
    """Beyond its end there is no result."""
    answer, _ = await answered(tmp_path, tool_results={"lookup_order": []})
    assert answer.steps[0].result is None


async def test_turns_are_bounded(tmp_path: Path) -> None:
    """A version that calls tools for ever fails the case."""
    answer, bodies = await answered(tmp_path, tool_results=SHIPPED, max_turns=1)
    assert answer.error == "still calls tools after 1 turns" and len(bodies) == 1


PLAYER = """
import json, sys
for line in sys.stdin:
    call = json.loads(line)
    print(json.dumps({"result": f"{call['name']} {call['arguments']}"}), flush=True)
"""


async def test_a_command_plays_the_tools(tmp_path: Path) -> None:
    """A line of JSON for each call; it has none of our secrets in its environment."""
    answer, _ = await answered(tmp_path, tool_results={"run": [sys.executable, "-c", PLAYER]})
    assert answer.steps[0].result == "lookup_order {}"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["/nowhere/player"], "cannot be started: No such file or directory: /nowhere/player"),
        ([sys.executable, "-c", "print(input() and 'no json')"], "answered no line of JSON"),
        ([sys.executable, "-c", "print(input() and [])"], "must answer"),
        ([sys.executable, "-c", ""], "answered no line of JSON"),
        ([sys.executable, "-c", "while True: print('x' * 1000)"], "answered no line of JSON"),
    ],
)
async def test_a_broken_command_decides_nothing(tmp_path: Path, command: list[str], reason: str) -> None:
    """The version is not to blame."""
    with pytest.raises(Undecided, match=reason):
        await answered(tmp_path, tool_results={"run": command})


async def test_a_refused_request_is_the_version_s(tmp_path: Path) -> None:
    """What a provider does not take is an answer that fails."""
    async with evaluated(tmp_path) as (standin, targets):
        refusing = ModelBehaviour(error_rate=1, status=400, error_message="temperature is not supported")
        standin.behave("good", refusing)
        answer = await answer_case(targets, AGENT, case_of("one"))
    assert "temperature is not supported" in answer.error and answer.text == ""


async def test_a_case_fills_the_prompt(tmp_path: Path) -> None:
    """With its inputs, as a call would; one that is missing is said by name."""
    inputs = {"customer": PromptInput("string")}
    version = AgentVersion("v1", Target("standin", "good"), "You serve {{customer}}.", inputs=inputs)
    async with evaluated(tmp_path) as (standin, targets):
        await answer_case(targets, version, replace(case_of("one"), inputs={"customer": "Ada", "plan": "pro"}))
        (request,) = standin.requests
        missing = await answer_case(targets, version, case_of("two"))
    assert json.loads(request.body)["messages"][0]["content"] == "You serve Ada."
    assert "needs a value of 'customer'" in missing.error
