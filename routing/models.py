"""Plain models that a caller may name beside agents, and the plan of a call that goes straight to one.

Such a call has no prompt, no version and no part in a split.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from routing.agents import AgentVersion
from routing.chain import Target
from routing.plan import Plan

MODELS: Final = "/models"  # the calls of plain models are booked under it; a slash is in no agent's name
# What a client may write where only the beginning of a name is configured. The rest goes into paths and headers.
_SANE = re.compile(r"(?!.*(?:\.\.|//|/\.))[A-Za-z0-9@][A-Za-z0-9@._:/+-]{0,199}")


@dataclass(frozen=True, slots=True)
class ModelPattern:
    """Models of one provider: the one of that name, or with `is_open` every model whose name begins with it."""

    provider: str
    name: str
    is_open: bool = False

    @classmethod
    def of(cls, text: str) -> "ModelPattern":
        """Read `provider/model` or `provider/beginning*`."""
        provider, _, name = text.partition("/")
        return cls(provider, name.removesuffix("*"), name.endswith("*"))

    def matches(self, target: Target) -> bool:
        """Return whether the target is one of these models."""
        if target.provider != self.provider:
            return False
        if not self.is_open:
            return target.model == self.name
        return target.model.startswith(self.name) and _SANE.fullmatch(target.model) is not None

    def overlaps(self, other: "ModelPattern") -> bool:
        """Return whether a model may be one of both."""
        if self.provider != other.provider:
            return False
        if self.is_open and other.is_open:
            return self.name.startswith(other.name) or other.name.startswith(self.name)
        if self.is_open or other.is_open:
            one, beginning = (other, self) if self.is_open else (self, other)
            return one.name.startswith(beginning.name)
        return self.name == other.name

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}{'*' if self.is_open else ''}"


def is_among(target: Target, patterns: Iterable[ModelPattern]) -> bool:
    """Return whether any of the patterns matches the target."""
    return any(pattern.matches(target) for pattern in patterns)


def plain_version(target: Target) -> AgentVersion:
    """Return the model as it is, as a version that changes nothing in a request but the model's name."""
    return AgentVersion(target.name, target)


def plain_plan(target: Target) -> Plan:
    """Return the plan of every call that goes straight to the target."""
    return Plan(plain_version(target), "model", "", (target,))
