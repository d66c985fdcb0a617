"""RAGAS by itself, as its documentation says: prints the score of each metric for an item on standard input."""

import asyncio
import json
import os
import sys

os.environ["RAGAS_DO_NOT_TRACK"] = "true"
from openai import AsyncOpenAI
from ragas.embeddings.base import embedding_factory
from ragas.llms import llm_factory
from ragas.messages import AIMessage, HumanMessage, ToolCall, ToolMessage
from ragas.metrics import collections as metrics

item = json.load(sys.stdin)
client = AsyncOpenAI(base_url=sys.argv[1], api_key="x")
llm = llm_factory("gpt-4o-mini", client=client)
embeddings = embedding_factory("openai", model="text-embedding-3-small", client=client, interface="modern")
asked = {"user_input": item["input"]}
answered = {"response": item["output"]}
expected = {"reference": item["expected"]}
context = {"retrieved_contexts": item["context"]}
talk = [HumanMessage(content=item["input"])]
for tool in item["tools"]:
    talk.append(AIMessage(content="", tool_calls=[ToolCall(name=tool["name"], args=tool["arguments"])]))
    talk.append(ToolMessage(content=tool["output"]))
talk.append(AIMessage(content=item["output"]))
tools = {"reference_tool_calls": [ToolCall(name=name, args={}) for name in item["expected_tools"]]}
each = {
    "faithfulness": (metrics.Faithfulness(llm=llm), asked | answered | context),
    "answer_relevancy": (metrics.AnswerRelevancy(llm=llm, embeddings=embeddings), asked | answered),
    "context_precision": (metrics.ContextPrecision(llm=llm), asked | expected | context),
    "context_recall": (metrics.ContextRecall(llm=llm), asked | expected | context),
    "factual_correctness": (metrics.FactualCorrectness(llm=llm), answered | expected),
    "answer_correctness": (metrics.AnswerCorrectness(llm=llm, embeddings=embeddings), asked | answered | expected),
    "answer_accuracy": (metrics.AnswerAccuracy(llm=llm), asked | answered | expected),
    "semantic_similarity": (metrics.SemanticSimilarity(embeddings=embeddings), answered | expected),
    "tool_call_accuracy": (metrics.ToolCallAccuracy(), {"user_input": talk} | tools),
    "tool_call_f1": (metrics.ToolCallF1(), {"user_input": talk} | tools),
    "agent_goal_accuracy": (metrics.AgentGoalAccuracy(llm=llm), {"user_input": talk} | expected),
}


async def main() -> None:
    print(json.dumps({name: float((await metric.ascore(**given)).value) for name, (metric, given) in each.items()}))


asyncio.run(main())
