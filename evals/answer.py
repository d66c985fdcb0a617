"""The answer to a case, as checks and reports read it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from gateway.formats.prompt import ToolCall


@dataclass(frozen=True, slots=True)
class TrajectoryStep:
    """A tool that the model called, in the order of the calls. `result` is what it was given back, None for nothing.

    `turn` counts the model's answers from 1.
    """

    turn: int
    call: ToolCall
    result: str | None = None


@dataclass(frozen=True, slots=True)
class CaseAnswer:
    """The answer to a case, over all its turns.

    `text` and `finish_reason` are of the last turn, in chat completions' words. `tool_calls` are those of the last
    turn, `steps` of all. `offered` are the definitions of the tools that the model could call. Seconds and tokens are
    sums over the turns. `cost_nano_usd` is None without a known price. `error` says why there is no answer, else ''.
    `raw` is the last turn's message, in the shape of chat completions.
    """

    text: str = ""
    finish_reason: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    steps: tuple[TrajectoryStep, ...] = ()
    offered: tuple[Mapping[str, JsonValue], ...] = ()
    turns: int = 1
    latency_seconds: float = 0.0
    cost_nano_usd: int | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    model: str = ""
    error: str = ""
    raw: Mapping[str, JsonValue] | None = None
