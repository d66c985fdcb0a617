"""Schema of `evaluation` in `routing.yaml`: what a canary must have shown before it gets calls."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.fields import Duration, Share, StrictModel


class EvaluationEntry(StrictModel):
    """An evaluation that a canary must have passed before it gets calls."""

    suite: Annotated[str, Field(min_length=1, max_length=1_000)] = Field(
        description="The suite's file, from the configuration folder or the folder above it, such as "
        "evals/support.yaml. `serinus eval --record` with it writes the record beside the version's file."
    )
    require: Literal["passed"] = Field(
        default="passed", description="The verdict that lets a canary in. Default: passed, the only one."
    )
    margin: Share = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="The largest `--margin` that the evaluation may have been held to. Default: 5%.",
    )
    max_age: Duration | None = Field(
        default=None,
        ge=60.0,
        description="How old the evaluation may be when the rollout begins, such as 30d. Default: any age. An edit of "
        "the version, or of stable, ends it in any case.",
    )
