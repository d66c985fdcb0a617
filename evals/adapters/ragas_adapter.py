"""Scores of RAGAS's metrics. Runs in an environment of RAGAS: `run: [PYTHON, "adapter:ragas"]`.

A check's `settings` are arguments of the metric's class, such as `mode` of `factual_correctness`.
"""

import asyncio
import inspect
import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evals.adapters.adapter_protocol import EMBEDDER, JUDGE, Item, NotScored, Score, metric_class, needed, serve
else:  # as a script it finds its neighbour alone
    from adapter_protocol import EMBEDDER, JUDGE, NotScored, metric_class, needed, serve

METRICS = {
    "faithfulness": "Faithfulness",
    "answer_relevancy": "AnswerRelevancy",
    "response_relevancy": "AnswerRelevancy",
    "context_precision": "ContextPrecision",
    "context_precision_with_reference": "ContextPrecisionWithReference",
    "context_precision_without_reference": "ContextPrecisionWithoutReference",
    "context_recall": "ContextRecall",
    "context_entity_recall": "ContextEntityRecall",
    "context_relevance": "ContextRelevance",
    "context_utilization": "ContextUtilization",
    "factual_correctness": "FactualCorrectness",
    "answer_correctness": "AnswerCorrectness",
    "answer_accuracy": "AnswerAccuracy",
    "response_groundedness": "ResponseGroundedness",
    "noise_sensitivity": "NoiseSensitivity",
    "semantic_similarity": "SemanticSimilarity",
    "summary_score": "SummaryScore",
    "exact_match": "ExactMatch",
    "string_presence": "StringPresence",
    "tool_call_accuracy": "ToolCallAccuracy",
    "tool_call_f1": "ToolCallF1",
    "agent_goal_accuracy": "AgentGoalAccuracy",
    "agent_goal_accuracy_with_reference": "AgentGoalAccuracyWithReference",
    "agent_goal_accuracy_without_reference": "AgentGoalAccuracyWithoutReference",
    "topic_adherence": "TopicAdherence",
}
# What a metric's `ascore` asks for beside the conversation, in RAGAS's names and in those of an item.
PARTS = {
    "response": ("output", "an answer with text"),
    "reference": ("expected", "a reference answer (`expected`)"),
    "retrieved_contexts": ("retrieval_context", "retrieved texts (`context`)"),
    "reference_contexts": ("context", "reference texts (`context`)"),
}
_SCORING = ("reference_topics", "rubrics")  # settings that are arguments of the scoring itself


def begin() -> "Callable[[Item], Score]":
    """Import RAGAS with its telemetry off."""
    os.environ["RAGAS_DO_NOT_TRACK"] = "true"
    import ragas.metrics.collections  # noqa: F401

    loop = asyncio.new_event_loop()  # the clients' connections belong to it
    return lambda item: loop.run_until_complete(score(item))


async def score(item: "Item") -> "Score":
    """Return what a metric says of an item. `pass` is left to the check's threshold."""
    kind = metric_class("ragas.metrics.collections", METRICS, item)
    settings = {name: value for name, value in item["settings"].items() if name not in _SCORING}
    known = inspect.signature(kind.__init__).parameters
    if unknown := sorted(settings.keys() - known.keys()):
        raise NotScored(f"{kind.__name__} has no setting {unknown[0]!r}")
    metric = kind(**models(known), **settings)
    result = await metric.ascore(**arguments(kind, item))
    return {"score": float(result.value), "reason": result.reason if isinstance(result.reason, str) else None}


@cache
def client() -> Any:
    """Return the client that leads to the door."""
    from openai import AsyncOpenAI

    return AsyncOpenAI()


def models(known: "Any") -> dict[str, Any]:
    """Return the judge and the embedder that a metric's class takes, both at the door."""
    from ragas.embeddings.base import embedding_factory
    from ragas.llms import llm_factory

    found: dict[str, Any] = {}
    if "llm" in known:
        if "SERINUS_JUDGE" not in os.environ:
            raise NotScored("no judge is named: write `judge` at the evaluator, or say --judge")
        found["llm"] = llm_factory(JUDGE, client=client())
    if "embeddings" in known:
        if "SERINUS_EMBEDDER" not in os.environ:
            raise NotScored("no embedder is named: write `embedder` at the evaluator")
        found["embeddings"] = embedding_factory("openai", model=EMBEDDER, client=client(), interface="modern")
    return found


def arguments(kind: Any, item: "Item") -> dict[str, Any]:
    """Return the arguments of a metric's scoring, by the names that it asks for."""
    wanted = inspect.signature(kind.ascore).parameters
    given: dict[str, Any] = {name: item["settings"][name] for name in _SCORING if name in item["settings"]}
    for name, (part, meaning) in PARTS.items():
        if name in wanted and wanted[name].default is inspect.Parameter.empty:
            given[name] = needed(item, part, meaning)
        elif name in wanted:
            given[name] = item[part] or wanted[name].default
    if "reference_tool_calls" in wanted:
        given["reference_tool_calls"] = [call(each) for each in needed(item, "expected_tools", "`expected_tools`")]
    if "user_input" in wanted:
        is_conversation = "response" not in wanted and "retrieved_contexts" not in wanted
        given["user_input"] = conversation(item) if is_conversation else needed(item, "input", "a question")
    return given


def conversation(item: "Item") -> list[Any]:
    """Return what was said and done as messages of RAGAS: the case's, the calls of tools, the answer."""
    from ragas.messages import AIMessage, HumanMessage, ToolMessage

    said: list[Any] = []
    for message in item["messages"]:
        text = message.get("content")
        if isinstance(text, str) and message.get("role") in ("user", "assistant"):
            said.append(HumanMessage(content=text) if message["role"] == "user" else AIMessage(content=text))
    for called in item["tools_called"]:
        said.append(AIMessage(content="", tool_calls=[call(called)]))
        if called.get("output") is not None:
            said.append(ToolMessage(content=str(called["output"])))
    return [*said, AIMessage(content=item["output"])]


def call(called: dict[str, Any]) -> Any:
    """Return a call of a tool as RAGAS has it."""
    from ragas.messages import ToolCall

    given = called.get("arguments")
    return ToolCall(name=called["name"], args=given if isinstance(given, dict) else {})


if __name__ == "__main__":
    serve(begin)
