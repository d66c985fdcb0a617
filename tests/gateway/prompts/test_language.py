"""The template language: what is written, what is refused, and that values are data."""

import json
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.prompts.filling import MOST_CHARACTERS, MOST_STEPS, Filling, PromptTooLong
from gateway.prompts.language import MOST_NESTED, TemplateError, parse
from routing.agents import PromptInput

INPUTS = {
    "name": PromptInput(),
    "plan": PromptInput(),
    "n": PromptInput("number"),
    "orders": PromptInput("array"),
    "customer": PromptInput("object"),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    max_leaves=20,
)


def filled(text: str, **values: Any) -> str:
    return Filling(values).text(parse(text, INPUTS))


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Dear {{name}}, {{ plan }}!", "Dear Ann, pro!"),
        ("{{customer.address.city}}|{{customer.nothing.at.all}}", "Bonn|"),
        ("{{n}} {{customer.vip}} {{customer.none}}", "3 true "),
        ("{{customer.address}} {{orders}}", '{"city":"Bonn"} [{"id":1},{"id":"b"}]'),
        ("{{#if name}}yes{{else}}no{{/if}} {{#if customer.none}}yes{{else}}no{{/if}}", "yes no"),
        ("{{#each orders}}<{{this.id}}{{name}}>{{/each}}", "<1Ann><bAnn>"),
        ("{{#each customer.address}}{{this}}{{/each}}", "Bonn"),
        ("{{#each customer.tags}}{{this}}{{else}}none{{/each}}", "none"),
        ("\\{{name}} and \\\\{{name}} and \\\\\\{{name}}", "{{name}} and \\Ann and \\\\Ann"),
        ('{"a": \\{{"b": 1}}', '{"a": {{"b": 1}}'),
        ("} }} {name} { {{name}}}}", "} }} {name} { Ann}}"),
        ("", ""),
    ],
)
def test_what_is_written(template: str, text: str) -> None:
    """Placeholders, fields, conditions and loops are filled; two braces behind a backslash are two braces."""
    customer = {"address": {"city": "Bonn"}, "vip": True, "none": None, "tags": []}
    orders = [{"id": 1}, {"id": "b"}]
    assert filled(template, name="Ann", plan="pro", n=3, customer=customer, orders=orders) == text


@pytest.mark.parametrize(
    ("value", "is_empty"),
    [
        (None, True),
        (False, True),
        (0, True),
        (0.0, True),
        ("", True),
        ([], True),
        ({}, False),
        ("0", False),
        (" ", False),
    ],
)
def test_what_is_empty(value: Any, is_empty: bool) -> None:
    """What counts as false is what Handlebars takes for false: an empty object does not."""
    assert filled("{{#if customer.x}}full{{else}}empty{{/if}}", customer={"x": value}) == (
        "empty" if is_empty else "full"
    )


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a\n{{#if name}}\nb\n{{/if}}\nc", "a\nb\nc"),
        ("a\n  {{#if name}}  \nb\n  {{else}}\nd\n  {{/if}}\nc", "a\nb\nc"),
        ("{{#if name}}\nb\n{{/if}}", "b\n"),
        ("a {{#if name}}\nb\n{{/if}} c", "a \nb\n c"),
        ("a\n{{name}}\nb", "a\nAnn\nb"),
        ("a\n{{#if name}}{{#if name}}\nb{{/if}}{{/if}}", "a\n\nb"),
        ("a\n{{#each orders}}\n- {{this}}\n{{/each}}\nb", "a\n- 1\n- 2\nb"),
        ("a\r\n{{#if name}}\r\nb\r\n{{/if}}\r\nc", "a\r\nb\r\nc"),
    ],
)
def test_lines_of_tags(template: str, text: str) -> None:
    """A block's tag that stands alone on its line takes the line with it, as in Handlebars."""
    assert filled(template, name="Ann", orders=[1, 2]) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{nobody}}", "{{nobody}} is not declared below `inputs`; declare nobody, or write \\{{ for two braces"),
        (
            "{{#each orders}}{{id}}{{/each}}",
            "{{id}} is not declared below `inputs`; a field of the item is {{this.id}}",
        ),
        ("{{name.first}}", "{{name.first}}: name is of type string, without fields"),
        ("{{orders.length}}", "orders is of type array, without fields; {{#each}} goes through it"),
        ("{{#each name}}{{/each}}", "name is of type string, without items"),
        ("{{this}}", "{{this}} stands in no {{#each}}"),
        ("{{#each orders}}{{else}}{{this}}{{/each}}", "{{this}} stands in no {{#each}}"),
        ("{{#if name}}", "{{#if name}} is not closed: write {{/if}}"),
        ("{{/if}}", "{{/if}} belongs to no block"),
        ("{{else}}", "{{else}} belongs to no block"),
        ("{{#if name}}{{else}}{{else}}{{/if}}", "{{else}} belongs to no block"),
        ("{{#if name}}{{/each}}", "{{/each}} does not close {{#if name}}"),
        ("{{#if name}}" * (MOST_NESTED + 1), f"stands in more than {MOST_NESTED} other blocks"),
        ("{{customer.a.b.c.d.e.f.g.h.i}}", "names more than 8 fields"),
        ("{{{name}}}", "{{{name}} is not supported: nothing is escaped, so two braces do"),
        ("{{#unless name}}", "is not supported: write {{#if name}}{{else}}…{{/if}}"),
        ("{{#if name plan}}", "is not supported: write one name"),
        ("{{> header}}", "is not supported: there are no partials"),
        ("{{name | upper}}", "is no placeholder; known: {{name}}, {{name.field}}"),
        ("{{ {% raw %} }}", "is not supported"),
        ('{{"a": 1}}', "write \\{{ for two braces"),
        ("{{~name~}}", "is not supported: put the tag"),
        ("{{../name}}", "is not supported"),
        ("{{@index}}", "is not supported: a loop has no counters"),
        ("{{else if plan}}", "is not supported: write another {{#if}}"),
        ("{{name", "{{ is not closed: write }}, or \\{{ for two braces"),
    ],
)
def test_what_is_refused(template: str, message: str) -> None:
    """Everything else between braces is refused, with its line and what to write instead."""
    with pytest.raises(TemplateError) as caught:
        parse(f"One\ntwo {template}", INPUTS)
    assert message in str(caught.value) and caught.value.line == 2


@pytest.mark.parametrize("text", ['{{"a": 1}} {{ {} }}', "{{ not a name }}", "{{", "}}", "$5 {name} { {name} }"])
def test_fixed_text(text: str) -> None:
    """Without inputs a prompt is fixed: braces that could be no placeholder stay as they are."""
    assert Filling({}).text(parse(text, {})) == text


@pytest.mark.parametrize("tag", ["{{name}}", "{{ user.name }}", "{{#if x}}", "{{/each}}", "{{this}}", "{{{name}}}"])
def test_placeholder_in_fixed_text(tag: str) -> None:
    """Without inputs, what would be a placeholder is refused, and a backslash makes it literal."""
    with pytest.raises(TemplateError, match="is a placeholder, but no `inputs` are declared"):
        parse(tag, {})
    escaped = tag.replace("{{", "\\{{", 1) if not tag.startswith("{{{") else "{\\{{name}}}"
    assert Filling({}).text(parse(escaped, {})) == tag


@given(JSON, JSON)
@example("{{name}} \\{{name}} {{#each orders}}", ["{{plan}}", {"id": "{{/each}}"}])
@example("\ud800{{", ["\\"])
def test_no_value_is_expanded(value: Any, item: Any) -> None:
    """Whatever stands in a value comes out as it is: a text as its characters, anything else as its JSON."""
    for given_ in (value, item):
        said = (
            given_
            if isinstance(given_, str)
            else ""
            if given_ is None
            else json.dumps(given_, ensure_ascii=False, separators=(",", ":"))
        )
        assert filled("<{{customer.x}}>", customer={"x": given_}) == f"<{said}>"
        assert filled("{{#each orders}}<{{this}}>{{/each}}", orders=[given_]) == f"<{said}>"


@given(st.text(alphabet="{}\\#/ \nnameifchplsorduthi.", max_size=60))
def test_any_text(text: str) -> None:
    """Any text is a template or is refused; what is filled holds no more than the text and its values."""
    try:
        body = parse(text, INPUTS)
    except TemplateError as error:
        assert 1 <= error.line <= text.count("\n") + 1
        return
    assert len(Filling({"name": "x"}).text(body)) <= len(text)


@given(st.text(alphabet="ab{}\\ \n", max_size=40))
def test_any_literal(text: str) -> None:
    """Any text without backslashes before braces can be written, with each pair of braces escaped."""
    plain = text.replace("\\", "/")
    assert filled(plain.replace("{{", "\\{{")) == plain


def test_bounds() -> None:
    """Loops within loops end at a bound of steps, long values at one of characters."""
    loops = "{{#each orders}}" * 3 + "{{/each}}" * 3
    items: list[Any] = ["x"] * 1000
    with pytest.raises(PromptTooLong):
        filled("{{#each orders}}{{#each orders}}{{/each}}{{/each}}", orders=items)
    with pytest.raises(PromptTooLong):
        filled(loops, orders=["x"] * 100)
    with pytest.raises(PromptTooLong):
        filled("{{name}}{{name}}", name="x" * (MOST_CHARACTERS // 2 + 1))
    assert len(filled("{{name}}", name="{{name}}" * (MOST_CHARACTERS // 8))) == MOST_CHARACTERS
    assert MOST_STEPS < 10**6


def _steps(template: str, **values: Any) -> int:
    """Count the calls of Python functions that parsing and filling take."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        filled(template, **values)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "template",
    ["{{name}} ", "\\{{name}}", "\\\\{{name}}", "{{#if name}}x{{/if}}\n", "{{#each orders}}{{this}}{{/each}}"],
)
def test_linear_time(template: str) -> None:
    """Twice the template, or twice the items, takes twice the work."""
    items: list[Any] = ["x"] * 4
    once, twice = (_steps(template * count, name="x", orders=items) for count in (500, 1000))
    assert twice < 2.2 * once
    some, more = (_steps("{{#each orders}}{{this}}{{/each}}", orders=["x"] * count) for count in (5000, 10_000))
    assert more < 2.2 * some
