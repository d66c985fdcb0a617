"""Behaviour of a stand-in model: one frozen value, checked whole; every problem says what to do."""

from collections.abc import Mapping
from random import Random
from typing import Literal, Self, TypeVar, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from .judge import JudgeBehaviour

Fault = Literal[
    "status",  # an HTTP error of `status`, with its format's error body
    "rate_limit",  # 429 with Retry-After
    "unknown_model",  # refuses the request for its model, as the provider of `unknown_model_like` does
    "error_in_200",  # an error object inside HTTP 200; in a stream, as its first event
    "error_mid_stream",  # an error event after some chunks; a plain answer has no middle: as error_in_200
    "truncate",  # closes early: before Content-Length is reached, or a stream without its last chunk
    "clean_cut",  # the HTTP message ends well, but what is inside ends in the middle
    "hang",  # never answers
    "hang_mid_stream",  # answers some of it, then nothing
    "reset",  # TCP RST before the headers
    "reset_mid_stream",  # TCP RST after some of the answer
    "html",  # 200 with an HTML page
    "bad_json",  # 200 with a body, or one event, that is not JSON
    "empty_choices",  # a well-formed answer with no choice, content, output or candidate in it
    "bad_tool_arguments",  # a tool call with arguments that are not JSON; without tools: as bad_json
    "slow_drip",  # the right answer, a byte at a time
    "gzip",  # the right answer, compressed although nobody asked
    "gzip_bomb",  # a few kB that unpack to `huge_bytes`
    "huge",  # an answer of `huge_bytes` bytes
    "redirect",  # 307 to `redirect_to`
]
FAULTS: tuple[Fault, ...] = get_args(Fault)

Slip = Literal[
    "unknown_tool",  # calls a tool that nobody offered
    "wrong_arguments",  # calls a tool with arguments that its schema does not allow for
    "off_schema",  # answers in words where JSON is asked for
    "truncated",  # ends in the middle, at the limit of tokens
    "empty",  # an answer with nothing in it
]
SLIPS: tuple[Slip, ...] = get_args(Slip)

Wording = Literal[
    "openai", "groq", "vllm", "deepseek", "openrouter", "mistral", "ollama", "xai", "fastapi", "anthropic", "gemini",
    "bedrock",
    "unreadable",  # 413 without a word on the model
]  # fmt: skip
WORDINGS: tuple[Wording, ...] = get_args(Wording)

Z90 = 1.2815515655446004  # the standard normal's 90th percentile
HOUR = 3600.0

T = TypeVar("T", bound=BaseModel)


class ModelBehaviour(BaseModel):
    """Behaviour of one model. The defaults answer at once, in full and without faults."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    latency_seconds: float = Field(
        default=0.0,
        ge=0,
        le=HOUR,
        description="Seconds until the first token, and until the whole of a plain answer: the median when "
        "latency_p90_seconds is set, otherwise the fixed time. Faults wait for it too.",
    )
    latency_p90_seconds: float | None = Field(
        default=None,
        gt=0,
        le=HOUR,
        description="Seconds that nine calls in ten stay under; makes the latency lognormal. Left out: fixed.",
    )
    chunk_seconds: float = Field(
        default=0.0, ge=0, le=HOUR, description="Seconds between two chunks of a stream; a plain answer ignores it."
    )
    chunks: int = Field(default=8, ge=1, le=100_000, description="How many chunks the text has, streamed or not.")
    chunk_text: str = Field(
        default="cheep ", max_length=65_536, description="The text of each chunk; the answer is this, `chunks` times."
    )
    rule: str | None = Field(
        default=None,
        min_length=1,
        max_length=65_536,
        description="A sentence that the model obeys: a request without it in any of its texts is answered with "
        "`without_rule` in place of `chunk_text`.",
    )
    without_rule: str = Field(
        default="whatever ", max_length=65_536, description="The text of each chunk where the `rule` was not given."
    )
    prompt_tokens: int | None = Field(
        default=None,
        ge=0,
        description="Tokens charged for the prompt. Left out: a quarter of the request body's bytes.",
    )
    cached_tokens: int = Field(
        default=0, ge=0, description="How many of the prompt's tokens came from the cache; at most all of them."
    )
    output_tokens: int | None = Field(
        default=None, ge=0, description="Tokens charged for what is said. Left out: one for each chunk."
    )
    reasoning_tokens: int = Field(
        default=0,
        ge=0,
        description="Tokens charged for thought; part of completion_tokens. Shown where a request asks.",
    )
    tool_calls: bool = Field(
        default=False,
        description="Answers with a call of the first tool whenever the request brings tools and does not end with a "
        "tool's result. `call <tool name>` in the last user message does it for that tool without this.",
    )
    slip: Slip | None = Field(
        default=None, description="What the answers of this model do wrong, although their calls go well."
    )
    slip_rate: float = Field(default=1.0, ge=0, le=1, description="The share of answers that have the `slip`.")
    judge: JudgeBehaviour | None = Field(
        default=None,
        description="Grades cases where a request asks for that. Left out: such a request is answered as any other.",
    )
    strict: bool = Field(
        default=False,
        description="Refuses what OpenAI's own servers refuse in chat completions and responses: names, ids and hints "
        "that are too long, schemas without properties, members that they do not know.",
    )
    error_rate: float = Field(
        default=0.0, ge=0, le=1, description="The share of calls that end in `fault`, from 0 to 1."
    )
    fault: Fault = Field(default="status", description="What a failing call does.")
    fault_script: tuple[Fault | Literal["ok"], ...] = Field(
        default=(), description="Faults, or `ok`, for the first calls, one each; after them error_rate decides."
    )
    fault_after_chunks: int = Field(
        default=2, ge=0, description="How many content chunks a stream sends before a fault in its middle."
    )
    status: int = Field(default=500, ge=400, le=599, description="The HTTP status of the fault `status`.")
    unknown_model_like: Wording = Field(
        default="openai", description="Whose status and words the fault `unknown_model` has."
    )
    error_message: str | None = Field(
        default=None, description="The message of an error body. Left out: a plain sentence for its status."
    )
    error_code: str | None = Field(
        default=None, description="The `code` of an error body, in OpenAI's formats. Left out: the usual."
    )
    error_param: str | None = Field(default=None, description="The `param` of an error body, in OpenAI's formats.")
    retry_after_seconds: float | None = Field(
        default=None,
        ge=0,
        le=HOUR,
        description="The Retry-After of an error. Left out: 1 for rate_limit, no header for status.",
    )
    should_retry: bool | None = Field(
        default=None, description="The x-should-retry header of an error. Left out: no such header."
    )
    drip_seconds: float = Field(default=0.05, ge=0, le=HOUR, description="Seconds between two bytes of slow_drip.")
    huge_bytes: int = Field(
        default=200_000_000, ge=1, le=10_000_000_000, description="The size that huge sends and gzip_bomb unpacks to."
    )
    redirect_to: str = Field(
        default="http://elsewhere.invalid/v1/chat/completions",
        pattern=r"^[!-~]+$",
        description="Where redirect points to.",
    )
    seed: int = Field(default=0, description="Seed of this model's dice: the same seed, the same calls, the same luck.")

    @model_validator(mode="after")
    def _p90_above_median(self) -> Self:
        if self.latency_p90_seconds is not None and not 0 < self.latency_seconds <= self.latency_p90_seconds:
            raise ValueError("latency_p90_seconds needs 0 < latency_seconds <= latency_p90_seconds")
        return self


class Behaviours(BaseModel):
    """Behaviour of all models: the file that `--behaviours` reads and `GET /standin/models` shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: ModelBehaviour = Field(
        default=ModelBehaviour(), description="What models without a behaviour of their own do."
    )
    models: dict[str, ModelBehaviour] = Field(default={}, description="Behaviours by model name.")


class BadBehaviour(ValueError):
    """A behaviour that cannot be; `problems` has one line for each thing wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def read_behaviour(text: bytes) -> ModelBehaviour:
    """The behaviour in a JSON text. Raises BadBehaviour with every problem at once."""
    return _read(ModelBehaviour, text)


def read_behaviours(text: bytes) -> Behaviours:
    """Default and models in a JSON text. Raises BadBehaviour with every problem at once."""
    return _read(Behaviours, text)


def merge_behaviour(old: ModelBehaviour, text: bytes) -> tuple[ModelBehaviour, frozenset[str]]:
    """`old` with the fields of a JSON object put over it, and the names of those fields. Raises BadBehaviour."""
    try:
        patch = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadBehaviour([f"not JSON: {error}"]) from None
    if not isinstance(patch, dict):
        raise BadBehaviour(["a JSON object of the fields to change is needed"])
    return read_behaviour(orjson.dumps(old.model_dump() | patch)), frozenset(patch)


def draw_latency(behaviour: ModelBehaviour, rng: Random) -> float:
    """Seconds this call takes: fixed, or lognormal with the given median and 90th percentile."""
    median, p90 = behaviour.latency_seconds, behaviour.latency_p90_seconds
    if p90 is None:
        return median
    return float(median * (p90 / median) ** (rng.gauss(0.0, 1.0) / Z90))


def draw_fault(behaviour: ModelBehaviour, rng: Random) -> Fault | None:
    """The fault of this call, or None when it goes well."""
    if behaviour.error_rate and rng.random() < behaviour.error_rate:
        return behaviour.fault
    return None


def draw_slip(behaviour: ModelBehaviour, rng: Random) -> ModelBehaviour:
    """Return the behaviour for the next answer: without the slip, where this answer has none."""
    if behaviour.slip is None or behaviour.slip_rate >= 1 or rng.random() < behaviour.slip_rate:
        return behaviour
    return behaviour.model_copy(update={"slip": None})


def _read(kind: type[T], text: bytes) -> T:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise BadBehaviour([_problem(each) for each in error.errors(include_url=False)]) from None


def _problem(each: ErrorDetails) -> str:
    where = ".".join(str(part) for part in each["loc"]) or "behaviour"
    if each["type"] == "extra_forbidden":
        return f"{where}: unknown field; known: {', '.join(ModelBehaviour.model_fields)}"
    got = each["input"]
    shown = "" if isinstance(got, Mapping) else f" (got {str(got)[:80]!r})"
    return f"{where}: {each['msg']}{shown}"
