"""Checks by the names of the behaviours that guardrails watch: tested before, watched after, by the same rules.

A check holds where the behaviour is there, so most suites write `not-truncated`. What cannot be judged is none.
"""

from collections.abc import Mapping
from typing import Any

from evals.checks.checkable import Checkable
from evals.checks.scores import CaseScore, decided
from policies.behaviours.behaviours import (
    CalledTool,
    OfferedTools,
    WantedJson,
    closes_loop,
    has_bad_tools,
    is_off_schema,
    is_truncated,
)

_FILTERED = "content_filter"


def check_bad_tools(given: Checkable) -> CaseScore:
    """A called tool was not offered, or its arguments are no JSON or against its schema; in any turn."""
    return _shown(given, has_bad_tools(_calls(given), _offered(given)))


def check_tool_loops(given: Checkable) -> CaseScore:
    """A tool was called three times with the same arguments."""
    return _shown(given, closes_loop(_calls(given), ()))


def check_off_schema(given: Checkable) -> CaseScore:
    """The text is no JSON, or surely against the schema that is the value. An answer that calls tools is not judged."""
    schema = given.spec.value
    wanted = WantedJson(schema if isinstance(schema, Mapping) else None)
    return _shown(given, not given.answer.tool_calls and is_off_schema(given.answer.text, wanted))


def check_truncated(given: Checkable) -> CaseScore:
    """The answer ended at a limit of tokens."""
    return _shown(given, is_truncated(given.answer.finish_reason))


def check_empty(given: Checkable) -> CaseScore:
    """The last turn holds neither text nor a tool call, and is no refusal."""
    return _shown(given, not (given.answer.text or given.answer.tool_calls or _is_refused(given)))


def check_refusals(given: Checkable) -> CaseScore:
    """The model declined by its API, or a filter cut the answer; `is-refusal` reads the words of the text instead."""
    return _shown(given, _is_refused(given))


def _shown(given: Checkable, is_shown: bool) -> CaseScore:
    return decided(given.spec, is_shown, f"{given.spec.type} {'seen' if is_shown else 'not seen'}")


def _is_refused(given: Checkable) -> bool:
    return given.answer.finish_reason == _FILTERED or bool((given.answer.raw or {}).get("refusal"))


def _calls(given: Checkable) -> list[CalledTool]:
    """Return the calls of all turns. Those of the last turn are among the steps once they have been answered."""
    answered = [step.call for step in given.answer.steps]
    last = [call for call in given.answer.tool_calls if call not in answered]
    return [CalledTool(call.name, call.arguments) for call in (*answered, *last)]


def _offered(given: Checkable) -> OfferedTools:
    tools: list[Any] = [tool.get("function", tool.get("custom")) for tool in given.answer.offered]
    named = [tool for tool in tools if isinstance(tool, Mapping)]
    texts = [str(tool["custom"].get("name")) for tool in map(dict[str, Any], given.answer.offered) if "custom" in tool]
    return OfferedTools(
        {str(tool.get("name")): tool.get("parameters") for tool in named}, texts, len(named) == len(tools)
    )
