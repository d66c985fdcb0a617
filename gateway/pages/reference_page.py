"""The page of the HTTP interface: every operation with its parameters, bodies and statuses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import orjson

from gateway.openapi.document import operations, refusals
from gateway.openapi.operation import Operation, Parameter
from gateway.pages.frame import LivePage
from gateway.pages.html import NOTHING, Markup, tag

_TITLES = {
    "calls": "Calls",
    "callers": "For applications",
    "operators": "For operators",
    "reviewers": "For reviewers",
    "pages": "Pages and their files",
}
_ACCESS = {
    "caller": "a client's key",
    "reader": "a client's key or the admin token",
    "admin": "the admin token",
    "form": "the admin token, or a key for reviews; from the gateway's own page",
    "metrics": "the metrics token or the admin token",
    "anyone": "no key",
}


def reference_page() -> LivePage:
    """Return the page, the same for everybody."""
    found = operations()
    sections = (_section(title, [each for each in found if each.tag == name]) for name, title in _TITLES.items())
    contract = tag("p", "As an OpenAPI 3.1 document: ", tag("a", "openapi.json", href="openapi.json"))
    note = tag("p", "Where no keys are configured, none is asked for.", class_="hint")
    return LivePage(
        name="HTTP reference", title="HTTP reference", level="quiet", top="", events=None,
        parts=(tag("h1", "HTTP reference"), contract, note, *sections), live={}, crumbs=(("Serinus", "status"),),
    )  # fmt: skip


def _section(title: str, found: Sequence[Operation]) -> Markup:
    return tag("section", tag("h2", title), *map(_operation, found))


def _operation(operation: Operation) -> Markup:
    name = tag("code", f"{operation.method.upper()} {operation.path}")
    rows = tag("dl", *(part for term, said in _facts(operation) for part in (tag("dt", term), tag("dd", said))))
    return tag("details", tag("summary", name, " ", tag("span", operation.says, class_="detail")), rows)


def _facts(operation: Operation) -> Iterator[tuple[str, Markup]]:
    yield "needs", tag("span", _ACCESS[operation.access])
    if operation.parameters:
        yield "parameters", _list(map(_parameter, operation.parameters))
    for kind, schema in operation.body.items():
        shown = (
            tag("pre", orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode())
            if isinstance(schema, Mapping) and len(schema) > 1
            else NOTHING
        )
        yield "body", tag("div", tag("code", kind), shown)
    for status, answer in operation.answers.items():
        kinds = ", ".join(answer.contents)
        yield f"answer {status}", tag("span", answer.says, f" ({kinds})" if kinds else "")
    others = ", ".join(map(str, refusals(operation)))
    yield "refused with", tag("span", others, ", or the provider's status" if operation.relays else "")


def _parameter(parameter: Parameter) -> Markup:
    where = " (header)" if parameter.place == "header" else ""
    return tag("span", tag("code", parameter.name), f"{where}: {parameter.says}")


def _list(items: Iterable[Markup]) -> Markup:
    return tag("ul", *(tag("li", item) for item in items))
