"""Samples of RAGAS: `user_input` and `reference`, or `question` and `ground_truth` as older versions call them."""

import ast
from typing import Final

from evals.cases import Case, CheckSpec
from evals.suites.conversation import chat_messages, reference, texts, user_message
from evals.suites.datasets.rows import (
    RowDialect,
    cell_value,
    finished_case,
    first,
    id_of,
    marks,
    question_of,
    tool_check,
)
from evals.suites.values import place_of, refusal, text
from gateway.config.nodes import Node, Value

_CONTEXTS = ("retrieved_contexts", "reference_contexts", "contexts")
_ROLES = {"human": "user", "ai": "assistant", "tool": "tool", "system": "system"}  # a message's `type`
_KNOWN = frozenset(
    {
        *("user_input", "response", "reference", *_CONTEXTS, "reference_tool_calls", "reference_topics"),
        *("question", "answer", "ground_truth", "ground_truths", "id", "metadata", "evolution_type", "episode_done"),
        *("persona_name", "query_style", "query_length", "synthesizer_name"),
        *("retrieved_context_ids", "reference_context_ids"),
    }
)
_LONGEST_LIST = 200_000  # characters of a list as Python writes it: more would be slow to read


def _sample(row: Node) -> Case:
    question = _list(question_of(row, "user_input", "question"))
    expected = reference(_list(first(row, "reference", "ground_truth", "ground_truths")))
    judged = () if expected is None else (CheckSpec("factuality", place_of(row), value=expected),)
    if isinstance(question.value, tuple):
        messages = chat_messages(Node(tuple(map(_message, question.items)), row.file, row.line, 1), "`user_input`")
    else:
        messages = (user_message(text(question, "`user_input`") or ""),)
    contexts = first(row, *_CONTEXTS)
    context = () if contexts is None else texts(_list(contexts), "the contexts")
    checks = (*judged, *tool_check(row, "reference_tool_calls", "name"))
    return finished_case(row, Case(id_of(row, "id"), messages, place_of(row), {}, checks, expected, context))


def _message(node: Node) -> Node:
    """Return a message with its role, which RAGAS calls its `type`."""
    kind = node.get("type")
    if "role" in node.entries or kind is None:
        return node
    if kind.text not in _ROLES:
        raise refusal(kind, f"a message's `type` must be one of {', '.join(_ROLES)}")
    kept = {key: each for key, each in node.entries.items() if key not in ("type", "metadata")}
    return Node({"role": Node(_ROLES[kind.text or ""], kind.file, kind.line, 1), **kept}, node.file, node.line, 1)


def _list(node: Node | None) -> Node:
    """Return the list that a cell of a table spells as JSON or, as pandas writes it, as Python does."""
    if node is None:
        return Node(None, "", 0, 0)
    found = cell_value(node) or node
    written = found.text
    if written is None or not written.startswith("[") or len(written) > _LONGEST_LIST:
        return found
    try:
        value: object = ast.literal_eval(written)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return found
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return found
    items: Value = tuple(Node(each, node.file, node.line, 1) for each in value)
    return Node(items, node.file, node.line, 1)


SAMPLES: Final = RowDialect(
    "ragas",
    marks("user_input", "question ground_truth", "question ground_truths", "question contexts"),
    _KNOWN,
    _sample,
    "samples of RAGAS have no checks of their own: answers are judged against `reference` (`factuality`)",
    {
        "rubrics": "write what is judged as a check `llm-rubric`",
        "rubric": "write what is judged as a check `llm-rubric`",
        "multi_responses": "the version under test answers, not the file",
    },
)
