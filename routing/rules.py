"""Feature flags: a rule sends the calls whose facts match to one version; the first match wins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from routing.facts import Facts

FACT_NAMES = ("caller", "group", "user", "conversation", "stream")
HEADER_PREFIX = "header:"


@dataclass(frozen=True, slots=True)
class Rule:
    """Routing rule: when every fact in `when` has one of the listed values, `use` that version.

    A key is one of `FACT_NAMES` or `header:<name>`; an empty `when` matches every call.
    """

    when: Mapping[str, tuple[str, ...]]
    use: str


def fact(facts: Facts, name: str) -> str:
    """The fact called `name` as text; '' where the call has none. Raises KeyError for a name that is no fact."""
    if name.startswith(HEADER_PREFIX):
        return facts.headers.get(name.removeprefix(HEADER_PREFIX), "")
    if name not in FACT_NAMES:
        raise KeyError(name)
    value = getattr(facts, name)
    return value if isinstance(value, str) else str(value).lower()


def first_match(rules: Iterable[Rule], facts: Facts) -> Rule | None:
    """The first rule that matches, or None. Each fact is looked up once, however many rules ask for it."""
    known: dict[str, str] = {}
    for rule in rules:
        for name, values in rule.when.items():
            value = known.get(name)
            if value is None:
                value = known[name] = fact(facts, name)
            if value not in values:
                break
        else:
            return rule
    return None
