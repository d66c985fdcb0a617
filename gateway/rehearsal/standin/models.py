"""The models a stand-in has: each one's behaviour, with its dice and what is left of its fault script."""

from collections import deque
from collections.abc import Mapping
from random import Random

from .behaviour import Behaviours, Fault, ModelBehaviour, draw_fault, draw_latency, draw_slip

MOST_STRANGERS = 10_000  # models nobody set up, each with dice of its own; beyond that they are forgotten together


class StandinModel:
    """A model: its behaviour and its random source."""

    def __init__(self, name: str, behaviour: ModelBehaviour) -> None:
        self._name = name
        self.behaviour = behaviour
        self._rng = self._dice()
        self._script = deque(behaviour.fault_script)

    def change(self, behaviour: ModelBehaviour, fields: frozenset[str]) -> None:
        """Another behaviour; dice and script start again only when `fields` names what they are made of."""
        self.behaviour = behaviour
        if "seed" in fields:
            self._rng = self._dice()
        if "fault_script" in fields:
            self._script = deque(behaviour.fault_script)

    def draw(self) -> tuple[float, Fault | None]:
        """Latency in seconds and fault of the next call."""
        latency = draw_latency(self.behaviour, self._rng)
        if self._script:
            scripted = self._script.popleft()
            return latency, None if scripted == "ok" else scripted
        return latency, draw_fault(self.behaviour, self._rng)

    def next_behaviour(self) -> ModelBehaviour:
        """Return the behaviour for the next answer, which may slip or not."""
        return draw_slip(self.behaviour, self._rng)

    def _dice(self) -> Random:
        return Random(f"{self.behaviour.seed}:{self._name}")  # noqa: S311 - a rehearsal, nothing secret


class StandinModels:
    """Models by name; a name nobody set up behaves like the default."""

    def __init__(self, behaviours: Mapping[str, ModelBehaviour], default: ModelBehaviour) -> None:
        self._default = default
        self._known = {name: StandinModel(name, behaviour) for name, behaviour in behaviours.items()}
        self._strangers: dict[str, StandinModel] = {}

    def get(self, name: str) -> StandinModel:
        return self._known.get(name) or self._stranger(name)

    def names(self) -> list[str]:
        """The models that were set up."""
        return list(self._known)

    def behave(self, name: str, behaviour: ModelBehaviour) -> None:
        """Set a model's behaviour, and start its dice and script from their beginning."""
        self._known[name] = StandinModel(name, behaviour)

    def change(self, name: str, behaviour: ModelBehaviour, fields: frozenset[str]) -> None:
        """Changes a model in the middle of its game; one that was not set up is from now on."""
        if name not in self._known:
            self._known[name] = self.get(name)
            self._strangers.pop(name, None)
        self._known[name].change(behaviour, fields)

    def forget(self, name: str) -> None:
        """Back to the default behaviour."""
        self._known.pop(name, None)

    def all(self) -> Behaviours:
        return Behaviours(default=self._default, models={name: model.behaviour for name, model in self._known.items()})

    def _stranger(self, name: str) -> StandinModel:
        if name not in self._strangers:
            if len(self._strangers) >= MOST_STRANGERS:
                self._strangers.clear()
            self._strangers[name] = StandinModel(name, self._default)
        return self._strangers[name]
