"""Every check by its name: what runs it, and what may be written for it. What is not supported is refused by name."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydantic import JsonValue

from evals.cases import CheckSpec
from evals.checks import behaviours, graded, limits, similarity, structure, texts, tools, trajectory
from evals.checks.checkable import Checkable
from evals.checks.external import EXTERNAL, check_external, read_by_suite
from evals.checks.python_code import check_python
from evals.checks.scores import CaseScore
from evals.checks.values import (
    any_value,
    arguments_matcher,
    bounds_of_steps,
    bounds_of_words,
    criteria,
    expression,
    goal,
    list_of_words,
    names_of_tools,
    no_value,
    optional_schema,
    optional_text,
    rubric,
    sequence_of_tools,
    text_or_number,
    tools_used,
    written_text,
)

Check = Callable[[Checkable], CaseScore | Awaitable[CaseScore]]


@dataclass(frozen=True, slots=True)
class CheckType:
    """A check. `value` returns what is wrong with a value that was written for it, or ''.

    `needs_threshold` asks for one. `may_be_negated` is False where `not-` would mean nothing. `asks_target` says that a
    model grades.
    """

    run: Check
    value: Callable[[JsonValue], str]
    needs_threshold: bool = False
    may_be_negated: bool = True
    asks_target: bool = False


CHECKS: Mapping[str, CheckType] = MappingProxyType(
    {
        "equals": CheckType(texts.check_equals, any_value),
        "contains": CheckType(texts.check_contains, text_or_number),
        "contains-any": CheckType(texts.check_contains_any, list_of_words),
        "contains-all": CheckType(texts.check_contains_all, list_of_words),
        "icontains": CheckType(texts.check_icontains, text_or_number),
        "icontains-any": CheckType(texts.check_icontains_any, list_of_words),
        "icontains-all": CheckType(texts.check_icontains_all, list_of_words),
        "starts-with": CheckType(texts.check_starts_with, written_text),
        "regex": CheckType(texts.check_regex, expression),
        "word-count": CheckType(texts.check_word_count, bounds_of_words),
        "is-json": CheckType(structure.check_is_json, optional_schema),
        "contains-json": CheckType(structure.check_contains_json, optional_schema),
        "levenshtein": CheckType(similarity.check_levenshtein, optional_text),
        "bleu": CheckType(similarity.check_bleu, criteria),
        "gleu": CheckType(similarity.check_gleu, criteria),
        "rouge-n": CheckType(similarity.check_rouge, written_text),
        "cost": CheckType(limits.check_cost, no_value, needs_threshold=True),
        "latency": CheckType(limits.check_latency, no_value, needs_threshold=True),
        "finish-reason": CheckType(limits.check_finish_reason, written_text),
        "is-refusal": CheckType(limits.check_is_refusal, no_value),
        "is-valid-openai-tools-call": CheckType(tools.check_valid_tools_call, no_value, may_be_negated=False),
        "tool-call-f1": CheckType(tools.check_tool_call_f1, names_of_tools),
        "trajectory:tool-used": CheckType(trajectory.check_tool_used, tools_used),
        "trajectory:tool-sequence": CheckType(trajectory.check_tool_sequence, sequence_of_tools),
        "trajectory:tool-args-match": CheckType(trajectory.check_tool_args_match, arguments_matcher),
        "trajectory:step-count": CheckType(trajectory.check_step_count, bounds_of_steps),
        "trajectory:goal-success": CheckType(graded.check_goal_success, goal, asks_target=True),
        "bad_tools": CheckType(behaviours.check_bad_tools, no_value),
        "off_schema": CheckType(behaviours.check_off_schema, optional_schema),
        "refusals": CheckType(behaviours.check_refusals, no_value),
        "truncated": CheckType(behaviours.check_truncated, no_value),
        "empty": CheckType(behaviours.check_empty, no_value),
        "tool_loops": CheckType(behaviours.check_tool_loops, no_value),
        EXTERNAL: CheckType(check_external, read_by_suite),
        "turns": CheckType(limits.check_turns, no_value, needs_threshold=True),
        "python": CheckType(check_python, written_text),
        "llm-rubric": CheckType(graded.check_llm_rubric, rubric, asks_target=True),
        "g-eval": CheckType(graded.check_g_eval, criteria, asks_target=True),
        "factuality": CheckType(graded.check_factuality, written_text, asks_target=True),
        "model-graded-factuality": CheckType(graded.check_factuality, written_text, asks_target=True),
        "closed-qa": CheckType(graded.check_closed_qa, written_text, asks_target=True),
        "model-graded-closedqa": CheckType(graded.check_closed_qa, written_text, asks_target=True),
        "answer-relevance": CheckType(graded.check_answer_relevance, no_value, asks_target=True),
        "context-recall": CheckType(graded.check_context_recall, optional_text, asks_target=True),
        "context-relevance": CheckType(graded.check_context_relevance, no_value, asks_target=True),
        "context-faithfulness": CheckType(graded.check_context_faithfulness, no_value, asks_target=True),
        "similar": CheckType(graded.check_similar, criteria, asks_target=True),
        "similar:cosine": CheckType(graded.check_similar, criteria, asks_target=True),
    }
)

_NO_SCRIPT = "only Python runs here; write it as `python`"
_NO_SPANS = "the gateway keeps no spans of your code; use `trajectory:…`, `latency` or `finish-reason`"
_ELSEWHERE = "it asks a service that only promptfoo knows"
_SEVERAL = "it compares several versions; a version is compared with stable by itself"
REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "javascript": _NO_SCRIPT,
        "ruby": _NO_SCRIPT,
        "webhook": "an address of the suite would see every answer; use `python`",
        "is-sql": "no SQL parser; use `python`",
        "contains-sql": "no SQL parser; use `python`",
        "is-html": "no HTML parser; use `regex` or `python`",
        "contains-html": "no HTML parser; use `regex` or `python`",
        "is-xml": "no XML parser; use `python`",
        "contains-xml": "no XML parser; use `python`",
        "meteor": "it needs WordNet; use `rouge-n`, `bleu` or `similar`",
        "perplexity": "answers are asked for without log probabilities",
        "perplexity-score": "answers are asked for without log probabilities",
        "similar:dot": "use `similar`",
        "similar:euclidean": "use `similar`",
        "is-valid-function-call": "use `is-valid-openai-tools-call`",
        "is-valid-openai-function-call": "use `is-valid-openai-tools-call`",
        "classifier": "no classifier runs here; use `llm-rubric` or `python`",
        "moderation": "use `llm-rubric`, or a guardrail of the provider",
        "guardrails": "answers carry no provider's safety flags; use `finish-reason`",
        "pi": _ELSEWHERE,
        "search-rubric": "judges have no web search; use `llm-rubric`",
        "agent-rubric": "judges have no tools; use `llm-rubric`",
        "conversation-relevance": "use `llm-rubric`",
        "skill-used": "the gateway sees tools, not skills; use `trajectory:tool-used`",
        "trace-error-spans": _NO_SPANS,
        "trace-span-count": _NO_SPANS,
        "trace-span-duration": _NO_SPANS,
        "select-best": _SEVERAL,
        "max-score": _SEVERAL,
        "tool_errors": "results of tools are the suite's own; use `python`",
        "handovers": "a suite asks no people",
        "human": "people score live calls, not suites",
    }
)


def refusal(spec: CheckSpec) -> str:
    """Return why a known check is not supported, or ''."""
    if spec.type.startswith("promptfoo:redteam:"):
        return _ELSEWHERE
    return REFUSED.get(spec.type, "")
