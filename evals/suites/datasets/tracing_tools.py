"""Datasets of LangSmith, Langfuse and Braintrust: an input and an output of a call, in their exports' shapes."""

from typing import Final

from evals.cases import Case
from evals.suites.conversation import reference
from evals.suites.datasets.rows import RowDialect, cell_value, first, marks, question_of, row_case
from gateway.config.nodes import Node


def _row(row: Node, question: str, *expected: str) -> Case:
    asked = question_of(row, question)
    return row_case(row, cell_value(asked) or asked, reference(cell_value(first(row, *expected))))


def _langsmith(row: Node) -> Case:
    return _row(row, "inputs", "outputs", "reference_outputs")


def _langfuse(row: Node) -> Case:
    return _row(row, "input", "expectedOutput", "expected_output")


def _braintrust(row: Node) -> Case:
    return _row(row, "input", "expected")


LANGSMITH: Final = RowDialect(
    "langsmith",
    marks("inputs outputs", "inputs reference_outputs", "inputs dataset_id"),
    frozenset(
        {
            *(
                "id",
                "inputs",
                "outputs",
                "reference_outputs",
                "metadata",
                "split",
                "dataset_id",
                "dataset_name",
                "name",
            ),
            *("created_at", "modified_at", "source_run_id"),
        }
    ),
    _langsmith,
    refused={"attachments": "files are sent as parts of a message; write the messages out"},
)
_LANGFUSE_MARKS = ("metadata", "id", "datasetId", "datasetName", "status", "sourceTraceId", "sourceObservationId")
LANGFUSE: Final = RowDialect(
    "langfuse",
    marks(
        *(f"input expectedOutput {key}" for key in _LANGFUSE_MARKS),
        *(f"input expected_output {key}" for key in ("metadata", "id", "status", "dataset_id")),
        *(f"input {key}" for key in ("datasetId", "datasetName", "sourceTraceId")),
    ),
    frozenset(
        {
            *(*_LANGFUSE_MARKS, "input", "expectedOutput", "expected_output", "createdAt", "updatedAt", "projectId"),
            *("dataset_id", "dataset_name", "source_trace_id", "source_observation_id", "created_at", "updated_at"),
        }
    ),
    _langfuse,
)
BRAINTRUST: Final = RowDialect(
    "braintrust",
    marks("input expected"),
    frozenset(
        {
            *("id", "input", "expected", "metadata", "tags", "created", "span_id", "root_span_id", "_xact_id"),
            *("dataset_id", "project_id", "is_root", "origin", "log_id", "_pagination_key", "comments", "audit_data"),
        }
    ),
    _braintrust,
)
