"""An evaluator as a value: a command that scores answers, what it may have, and a digest of what decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue, TypeAdapter

DEFAULT_SECONDS: Final = 120.0
MOST_SECONDS: Final = 3_600.0
DEFAULT_PROCESSES: Final = 2
MOST_PROCESSES: Final = 32
ADAPTER: Final = "adapter:"
_FOLDER: Final = Path(__file__).parents[1] / "adapters"
ADAPTERS: Final[Mapping[str, Path]] = MappingProxyType(
    {name: _FOLDER / f"{name}_adapter.py" for name in ("deepeval", "ragas")}
)
# Set by the evaluation itself, for the door to the judges.
DOOR_VARIABLES: Final = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "SERINUS_JUDGE", "SERINUS_EMBEDDER")


@dataclass(frozen=True, slots=True)
class Evaluator:
    """A command that scores answers, in `processes` children, each in the folder `cwd`.

    `timeout` are seconds for one item. `env` names the variables that a child gets beside the usual ones. `judge` and
    `embedder` are targets that it may ask. `sha256` is a digest of the command and of the files that it names.
    """

    name: str
    run: tuple[str, ...]
    cwd: str
    sha256: str
    timeout: float = DEFAULT_SECONDS
    processes: int = DEFAULT_PROCESSES
    env: tuple[str, ...] = ()
    judge: str | None = None
    embedder: str | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """Return the command with the paths of shipped adapters."""
        return tuple(_path_of(argument) for argument in self.run)

    @property
    def program(self) -> str:
        """Return the program as it is looked for: a bare name on PATH, a path from the folder on."""
        first = self.run[0]
        return str(Path(self.cwd) / first) if "/" in first else first


@dataclass(frozen=True, slots=True)
class EvaluatorReply:
    """An evaluator's score of an item. `score` or `passed` is there; the cost is the evaluator's own."""

    score: float | None = None
    passed: bool | None = None
    reason: str = ""
    cost_nano_usd: int = 0


_EVALUATOR: Final = TypeAdapter(Evaluator)


def evaluator_of(value: Mapping[str, Any]) -> Evaluator:
    """Return the evaluator of a check's value, as the reader of the suite has written it."""
    return _EVALUATOR.validate_python(value["evaluator"])


def value_of(evaluator: Evaluator, metric: str | None, settings: Mapping[str, JsonValue]) -> JsonValue:
    """Return the value of a check by this evaluator."""
    written: JsonValue = _EVALUATOR.dump_python(evaluator, mode="json")
    return {"evaluator": written, "metric": metric, "settings": dict(settings)}


def is_read(value: JsonValue) -> bool:
    """Return whether a check's value names an evaluator, as readers of suites write it."""
    return isinstance(value, Mapping) and isinstance(value.get("evaluator"), Mapping)


def _path_of(argument: str) -> str:
    name = argument.removeprefix(ADAPTER)
    return str(ADAPTERS[name]) if argument.startswith(ADAPTER) and name in ADAPTERS else argument
