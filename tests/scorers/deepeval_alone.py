"""DeepEval by itself, as its documentation says: prints the score of each metric for an item on standard input."""

import json
import os
import sys

os.environ |= {"DEEPEVAL_TELEMETRY_OPT_OUT": "1", "DEEPEVAL_DISABLE_DOTENV": "1", "DEEPEVAL_FILE_SYSTEM": "READ_ONLY"}
from deepeval import metrics
from deepeval.models import OpenAIModel
from deepeval.test_case import LLMTestCase, SingleTurnParams, ToolCall

item = json.load(sys.stdin)
judge = OpenAIModel(model="gpt-5-mini", base_url=sys.argv[1], api_key="x")
case = LLMTestCase(
    input=item["input"],
    actual_output=item["output"],
    expected_output=item["expected"],
    context=item["context"],
    retrieval_context=item["context"],
    tools_called=[ToolCall(name=tool["name"], input_parameters=tool["arguments"]) for tool in item["tools"]],
    expected_tools=[ToolCall(name=name) for name in item["expected_tools"]],
)
looked_at = [SingleTurnParams.INPUT, SingleTurnParams.ACTUAL_OUTPUT]
each = {
    "answer_relevancy": metrics.AnswerRelevancyMetric(model=judge),
    "faithfulness": metrics.FaithfulnessMetric(model=judge),
    "contextual_precision": metrics.ContextualPrecisionMetric(model=judge),
    "contextual_recall": metrics.ContextualRecallMetric(model=judge),
    "contextual_relevancy": metrics.ContextualRelevancyMetric(model=judge),
    "hallucination": metrics.HallucinationMetric(model=judge),
    "bias": metrics.BiasMetric(model=judge),
    "toxicity": metrics.ToxicityMetric(model=judge),
    "tool_correctness": metrics.ToolCorrectnessMetric(model=judge),
    "task_completion": metrics.TaskCompletionMetric(model=judge),
    "g_eval": metrics.GEval(name="G-Eval", criteria="Is it kind?", evaluation_params=looked_at, model=judge),
}
scores = {}
for name, metric in each.items():
    metric.measure(case, _show_indicator=False)
    scores[name] = metric.score
print(json.dumps(scores))
