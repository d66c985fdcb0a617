"""Schema of Serinus's own suites: cases, what each asks, and what its answer must be."""

from typing import Annotated

from pydantic import Discriminator, Field, JsonValue, Tag

from evals.suites.cases_by_id import MOST_TURNS
from evals.suites.evaluator_entry import EvaluatorEntry
from gateway.config.fields import StrictModel, written
from gateway.config.quantities import DURATION_PATTERN, seconds

Check = str | dict[str, JsonValue]
_CHECK = (
    "A check: its name alone (`is-json`), or its name with a value (`icontains: refund`), and beside it `threshold`, "
    "`weight`, `metric`, `target` or `transform`. `not-` before a name turns it round. `any` and `all` hold a list."
)
Delay = Annotated[float, written(seconds), Field(json_schema_extra={"type": "string", "pattern": DURATION_PATTERN})]


class CaseTemplate(StrictModel):
    """Keys of a case, which `defaults` may set for all cases."""

    ask: str | None = Field(
        default=None, min_length=1, description="What the user says. Default: none; see `messages`."
    )
    messages: list[dict[str, JsonValue]] | None = Field(
        default=None,
        min_length=1,
        description="The conversation so far, with `role` and `content`, in place of `ask`. Default: none.",
    )
    inputs: dict[str, JsonValue] = Field(
        default_factory=dict, description="Values for the inputs that the version's prompt declares. Default: none."
    )
    expect: list[Check] = Field(default_factory=list, description=f"Checks of the answer. {_CHECK} Default: none.")
    expected: str | None = Field(
        default=None, description="The reference answer, for checks and people. Default: none."
    )
    context: list[str] | None = Field(
        default=None, description="Retrieved texts, for the checks whose names begin with `context-`. Default: none."
    )
    threshold: float | None = Field(
        default=None, ge=0, description="The least mean score of the checks. Default: every check must pass."
    )
    critical: bool | None = Field(
        default=None, description="Whether the case must pass in every repeat, or the version fails. Default: false."
    )
    max_turns: int | None = Field(
        default=None, ge=1, le=MOST_TURNS, description="How often the model is called while it calls tools. Default: 8."
    )
    tool_results: dict[str, JsonValue] = Field(
        default_factory=dict,
        description="What each tool gives back, by its name; a list is one for each call. Default: none.",
    )
    metadata: dict[str, JsonValue] = Field(default_factory=dict, description="Anything for reports. Default: none.")


class NativeCase(CaseTemplate):
    """A case."""

    id: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="Its name in reports. Default: a digest of what is asked.",
    )


def _shape(value: object) -> str:
    """Return the tag of a value's form. Tags begin with `<`, so that problems leave them out of their paths."""
    return "<text>" if isinstance(value, str) else "<list>"


CaseOrFile = Annotated[
    Annotated[str, Field(json_schema_extra={"pattern": "^file://"}), Tag("<text>")]
    | Annotated[NativeCase, Tag("<list>")],
    Discriminator(_shape),
]
Cases = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[list[CaseOrFile], Field(min_length=1), Tag("<list>")],
    Discriminator(_shape),
]


class NativeSuite(StrictModel):
    """A suite."""

    name: str | None = Field(default=None, min_length=1, description="Its name in reports. Default: that of the file.")
    repeat: int = Field(default=1, ge=1, le=100, description="How often each case is asked.")
    max_concurrency: int = Field(default=4, ge=1, le=1000, description="How many calls run at once, at most.")
    delay: Delay = Field(default=0.0, description="The least time between two calls, such as 500ms. Default: none.")
    evaluators: dict[str, EvaluatorEntry] = Field(
        default_factory=dict,
        description="Commands that score answers, by name: the check `external: NAME/metric` asks one. Default: none.",
    )
    defaults: CaseTemplate = Field(
        default_factory=CaseTemplate,
        description="What a case has that says nothing else. `{{name}}` in its texts stands for an input of the case, "
        "or for a column of a file's row. Default: nothing.",
    )
    cases: Cases = Field(
        description="The cases; or `file://…` (also a pattern, also between cases), whose rows are cases: in any "
        "dialect that is read, a suite of promptfoo, or with any keys where `defaults` has `ask` or `messages`."
    )
