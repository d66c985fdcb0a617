"""Validation of a node by its model: pydantic's errors, with the line and what to do."""

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.fields import StrictModel
from gateway.config.nodes import Node, Path, dotted
from gateway.config.problems import MAX_PROBLEMS, Problem, quoted, unknown

AnyModel = TypeVar("AnyModel", bound=StrictModel)

# pydantic's error type → our words; `{…}` is filled from the error's context.
_MESSAGES: Final = {
    "missing": "is missing",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "has characters that are not allowed; use 1 to 64 of A-Z a-z 0-9 _ -",
    "int_type": "must be a whole number, such as 3",
    "int_from_float": "must be a whole number, such as 3",
    "float_type": "must be a number, such as 0.3",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping (key: value)",
    "mapping_type": "must be a mapping (key: value)",
    "model_type": "must be a mapping (key: value)",
    "list_type": "must be a list, such as [a, b]",
    "tuple_type": "must be a list, such as [a, b]",
    "date_type": "must be a date, such as 2026-01-31",
    "date_parsing": "must be a date, such as 2026-01-31",
    "date_from_datetime_parsing": "must be a date, such as 2026-01-31",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
}


def validate(model: type[AnyModel], node: Node) -> tuple[AnyModel | None, list[Problem]]:
    """The model of what `node` says, or None and everything that is wrong with it."""
    try:
        return model.model_validate_json(json.dumps(node.plain())), []
    except ValidationError as error:
        found = error.errors(include_url=False)[:MAX_PROBLEMS]
        return None, [_problem(model, node, details) for details in found if not _follows(details, found)]


def _follows(details: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Return whether this is reported only because of another problem.

    A list is too short where some of its entries are wrong; a default is not made where a neighbour is wrong.
    """
    if details["type"] == "default_factory_not_called":
        return True
    place = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in found
    )


def _problem(model: type[StrictModel], root: Node, details: ErrorDetails) -> Problem:
    """The path keeps a last step that is not written (a missing key); the line is that of its mapping."""
    location = [step for step in details["loc"] if not (isinstance(step, str) and step.startswith(("<", "[")))]
    node, path = root.locate(location)
    if details["type"] == "extra_forbidden":
        return node.problem(path, _unknown_key(model, path))
    if details["type"] == "missing":
        path = (*path, *location[-1:])
    return Problem(node.file, node.line, dotted(path), _message(details, node))


def _message(details: ErrorDetails, node: Node) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            known = [word.strip("'") for word in str(context["expected"]).replace(" or ", ", ").split(", ")]
            return unknown("value", str(node.value), known) if node.text else f"must be one of: {', '.join(known)}"
        case kind if kind in _MESSAGES:
            return _MESSAGES[kind].format(**context)
    return details["msg"][:1].lower() + details["msg"][1:]


def _unknown_key(model: type[StrictModel], path: Path) -> str:
    key = str(path[-1])
    annotation: object = model
    for step in path[:-1]:
        annotation = _below(annotation, step)
    known: list[str] = []
    for candidate in _models(annotation):
        known.extend(keys(candidate))
    return unknown("key", key, known) if known else f"unknown key {quoted(key)}"


def keys(model: type[BaseModel]) -> list[str]:
    """The keys of a model as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _below(annotation: object, step: str | int) -> object:
    """The annotation of what lies one step below a value of this annotation."""
    for kind in _alternatives(annotation):
        origin, arguments = get_origin(kind), get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, field in kind.model_fields.items():
                if step == (field.alias or name):
                    return field.annotation
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            return arguments[1]
        elif isinstance(origin, type) and issubclass(origin, Sequence):
            return arguments[0]
    return None


def _models(annotation: object) -> Iterator[type[StrictModel]]:
    for kind in _alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, StrictModel):
            yield kind


def _alternatives(annotation: object) -> Iterator[object]:
    """The annotation without `Annotated`, and each member of a union."""
    if get_origin(annotation) is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _alternatives(member)
    else:
        yield annotation
