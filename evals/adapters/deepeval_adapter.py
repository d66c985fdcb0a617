"""Scores of DeepEval's metrics. Runs in an environment of DeepEval: `run: [PYTHON, "adapter:deepeval"]`.

A check's `settings` are arguments of the metric's class, such as `criteria` of `g_eval`.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evals.adapters.adapter_protocol import JUDGE, Item, NotScored, Score, metric_class, serve
else:  # as a script it finds its neighbour alone
    from adapter_protocol import JUDGE, NotScored, metric_class, serve

METRICS = {
    "answer_relevancy": "AnswerRelevancyMetric",
    "faithfulness": "FaithfulnessMetric",
    "contextual_precision": "ContextualPrecisionMetric",
    "contextual_recall": "ContextualRecallMetric",
    "contextual_relevancy": "ContextualRelevancyMetric",
    "hallucination": "HallucinationMetric",
    "bias": "BiasMetric",
    "toxicity": "ToxicityMetric",
    "pii_leakage": "PIILeakageMetric",
    "non_advice": "NonAdviceMetric",
    "misuse": "MisuseMetric",
    "role_violation": "RoleViolationMetric",
    "summarization": "SummarizationMetric",
    "prompt_alignment": "PromptAlignmentMetric",
    "tool_correctness": "ToolCorrectnessMetric",
    "argument_correctness": "ArgumentCorrectnessMetric",
    "task_completion": "TaskCompletionMetric",
    "exact_match": "ExactMatchMetric",
    "pattern_match": "PatternMatchMetric",
    "g_eval": "GEval",
}
_SILENT = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
    "DEEPEVAL_DISABLE_DOTENV": "1",
    "DEEPEVAL_UPDATE_WARNING_OPT_IN": "0",
    "DEEPEVAL_FILE_SYSTEM": "READ_ONLY",
    "CONFIDENT_TRACE_FLUSH": "0",
    "ERROR_REPORTING": "NO",
}


def begin() -> "Callable[[Item], Score]":
    """Import DeepEval with its telemetry off."""
    os.environ.update(_SILENT)
    from deepeval.models import OpenAIModel

    class JudgeAtTheDoor(OpenAIModel):  # type: ignore[misc]
        """The suite's judge. Not every provider has log probabilities, which G-Eval would else ask for."""

        def __init__(self) -> None:
            free = {"cost_per_input_token": 0.0, "cost_per_output_token": 0.0}  # the door counts what it costs
            super().__init__(model=JUDGE, base_url=os.environ["OPENAI_BASE_URL"], **free)
            self.model_data.supports_log_probs = False

        def supports_log_probs(self) -> bool:
            return False

    return lambda item: score(item, JudgeAtTheDoor)


def score(item: "Item", judge: "Callable[[], Any]") -> "Score":
    """Return what a metric says of an item."""
    kind = metric_class("deepeval.metrics", METRICS, item)
    metric = kind(**arguments(kind, item, judge))
    metric.measure(test_case(item), _show_indicator=False)
    if metric.error:
        raise NotScored(str(metric.error))
    reason = metric.reason if isinstance(metric.reason, str) else None
    return {"score": metric.score, "pass": bool(metric.is_successful()), "reason": reason}


def arguments(kind: Any, item: "Item", judge: "Callable[[], Any]") -> dict[str, Any]:
    """Return the arguments of a metric's class: the check's threshold and settings, and the judge."""
    import inspect

    known = inspect.signature(kind.__init__).parameters
    given = {**item["settings"], "threshold": item["threshold"], "async_mode": True, "model": "judge"}
    if kind.__name__ == "GEval":
        given = {"name": "G-Eval", "evaluation_params": ["input", "actual_output"], **given}
        given["evaluation_params"] = [parameter(name) for name in given["evaluation_params"]]
    if unknown := sorted(item["settings"].keys() - known.keys()):
        raise NotScored(f"{kind.__name__} has no setting {unknown[0]!r}")
    given = {name: value for name, value in given.items() if name in known and value is not None}
    if "model" in given:
        if "OPENAI_BASE_URL" not in os.environ:
            raise NotScored("no judge is named: write `judge` at the evaluator, or say --judge")
        given["model"] = judge()
    return given


def parameter(name: str) -> Any:
    """Return what G-Eval may look at, by its name in DeepEval: `expected_output`."""
    from deepeval.test_case import SingleTurnParams

    try:
        return SingleTurnParams(name)
    except ValueError:
        raise NotScored(f"`evaluation_params` has no {name!r}: {', '.join(SingleTurnParams)}") from None


def test_case(item: "Item") -> Any:
    """Return the item as DeepEval's test case."""
    from deepeval.test_case import LLMTestCase

    return LLMTestCase(
        input=item["input"],
        actual_output=item["output"],
        expected_output=item["expected"],
        context=item["context"] or None,
        retrieval_context=item["retrieval_context"] or None,
        tools_called=[tool(each) for each in item["tools_called"]],
        expected_tools=[tool(each) for each in item["expected_tools"]],
    )


def tool(called: dict[str, Any]) -> Any:
    """Return a call of a tool as DeepEval has it."""
    from deepeval.test_case import ToolCall

    arguments = called.get("arguments")
    parameters = arguments if isinstance(arguments, dict) else {"arguments": arguments} if arguments else {}
    return ToolCall(name=called["name"], input_parameters=parameters, output=called.get("output"))


if __name__ == "__main__":
    serve(begin)
