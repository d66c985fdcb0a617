"""JSON schemas: what they are held to before a suite runs, and whether a value has the shape they ask for.

Nothing is fetched: a reference outside of the schema decides nothing. Expressions in a schema are JavaScript's, bounded
in time like all of a suite's.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from functools import cache
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import yaml
from jsonschema import Draft7Validator, FormatChecker, SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend, validator_for
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from evals.checks.expressions import BadExpression, SearchTooLong, compile_expression, is_found

_SHOWN_CHARACTERS = 200
_EMAIL = re.compile(r"[^\s@]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)++")
_HOSTNAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_ZONE = re.compile(r"(?:z|[+-]\d\d:?(?:\d\d)?)\Z", re.IGNORECASE)


class BadSchema(ValueError):
    """No schema that answers can be held against. The message says why."""


class UndecidedSchema(Exception):
    """A value that the schema could not decide on: an expression that takes too long, or a reference to elsewhere."""


def schema_of(value: JsonValue) -> Any:
    """Return a schema from what a suite holds: an object, true, false, or YAML or JSON as text. Raises BadSchema."""
    schema: Any = value
    if isinstance(value, str):
        try:
            schema = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise BadSchema("the schema is neither JSON nor YAML") from error
    if not isinstance(schema, dict | bool):
        raise BadSchema("a schema is an object")
    kind: Any = validator_for(schema, default=Draft7Validator)
    try:
        kind.check_schema(schema, format_checker=FormatChecker(formats=()))  # expressions are checked below
    except SchemaError as error:
        raise BadSchema(f"the schema is wrong at {_path(error)}: {error.message[:_SHOWN_CHARACTERS]}") from error
    for pattern in _patterns(schema):
        try:
            compile_expression(pattern, unicode=True)
        except BadExpression as error:
            raise BadSchema(f"pattern {pattern[:_SHOWN_CHARACTERS]!r} of the schema: {error}") from error
    return schema


def mismatch(schema: Any, value: JsonValue) -> str:
    """Return what of the value is not as the schema asks, in one sentence, or ''. Raises UndecidedSchema."""
    kind = _bounded(validator_for(schema, default=Draft7Validator))
    validator = kind(schema, registry=Registry(), format_checker=_FORMATS)
    try:
        error = next(validator.iter_errors(value), None)
    except (SearchTooLong, BadExpression) as problem:
        raise UndecidedSchema(str(problem)) from problem
    except Unresolvable as problem:
        raise UndecidedSchema(f"the schema refers to {problem.ref!r}, which it does not hold") from problem
    except RecursionError as problem:
        raise UndecidedSchema("the schema goes round in circles") from problem
    return f"{_path(error)}: {error.message[:_SHOWN_CHARACTERS]}" if error else ""


def _path(error: ValidationError | SchemaError) -> str:
    return "/".join(map(str, error.absolute_path)) or "its top"


def _patterns(schema: object) -> Iterator[str]:
    """Yield the expressions of a schema, wherever it holds schemas."""
    if isinstance(schema, Mapping):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        if isinstance(schema.get("patternProperties"), Mapping):
            yield from map(str, schema["patternProperties"])
    inner = schema.values() if isinstance(schema, Mapping) else schema if isinstance(schema, list) else ()
    for part in inner:
        yield from _patterns(part)


@cache
def _bounded(kind: type[Validator]) -> Callable[..., Validator]:
    """Return the dialect with keywords of expressions that are bounded in time."""
    keywords = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
    }
    bounded: Callable[..., Validator] = extend(kind, keywords)  # type: ignore[no-untyped-call]
    return bounded


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not is_found(pattern, instance, unicode=True):
        yield ValidationError(f"{instance[:_SHOWN_CHARACTERS]!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, _: Any
) -> Iterator[ValidationError]:
    for pattern, schema in patterns.items() if isinstance(instance, dict) else ():
        for name, value in instance.items():
            if is_found(pattern, name, unicode=True):
                yield from validator.descend(value, schema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, extra: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, value in instance.items() if isinstance(instance, dict) else ():
        if name in known or any(is_found(pattern, name, unicode=True) for pattern in patterns):
            continue
        if extra is False:
            yield ValidationError(f"{name!r} is not expected")
        else:
            yield from validator.descend(value, extra, path=name)


_FORMATS = FormatChecker(formats=())


def _format(name: str, parse: Callable[[str], object]) -> None:
    """Add a format of texts; `parse` raises ValueError or returns False for those that do not have it."""
    _FORMATS.checks(name, raises=ValueError)(lambda value: not isinstance(value, str) or parse(value) is not False)


def _moment(text: str) -> object:
    return datetime.fromisoformat(_with_zone(text)) if len(text) > 10 and text[10] in "Tt " else False


def _time_of_day(text: str) -> object:
    return time.fromisoformat(_with_zone(text))


def _with_zone(text: str) -> str:
    """Return the time with its zone as Python writes it. Raises ValueError for one without a zone."""
    if not _ZONE.search(text):
        raise ValueError("no zone")
    return text.upper()


_format("date", lambda text: len(text) == 10 and date.fromisoformat(text))
_format("date-time", _moment)
_format("time", _time_of_day)
_format("email", lambda text: _EMAIL.fullmatch(text) is not None)
_format("hostname", lambda text: _HOSTNAME.fullmatch(text) is not None)
_format("ipv4", lambda text: ip_address(text).version == 4)
_format("ipv6", lambda text: ip_address(text).version == 6)
_format("uri", lambda text: " " not in text and bool(urlsplit(text).scheme) and text.partition(":")[2] != "")
_format("uuid", lambda text: len(text.removeprefix("urn:uuid:")) == 36 and UUID(text))
