"""The plain part of nunjucks: look-ups are filled in, everything else is refused by name."""

import pytest
from pydantic import JsonValue

from evals.cases import SourceLine, SuiteError
from evals.suites.template import MAX_TEXT, fill, parse_template

PLACE = SourceLine("prompts.txt", 4)
VARIABLES: dict[str, JsonValue] = {
    "name": "Ada",
    "order": {"id": "A-1", "lines": [{"sku": "x"}], "odd key": 2},
    "count": 3.0,
    "share": 0.25,
    "is_open": True,
    "nothing": None,
    "seas": ["North", 7, None],
    "nested": [[1, [2]], ["x"]],
    "numbers": [0.00001, 1e-7, 123456.789, 1e21],
    "template": "{{name}}",
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("no places { } {", "no places { } {"),
        ("{{name}} and {{ name }}", "Ada and Ada"),
        ("{{order.id}}, {{order.lines[0].sku}}, {{ order['odd key'] }}", "A-1, x, 2"),
        ("{{count}} {{share}} {{is_open}} {{nothing}}.", "3 0.25 true ."),
        ("{{seas}}", "North,7,"),
        ("{{nested}} {{numbers}}", "1,2,x 0.00001,1e-7,123456.789,1e+21"),
        ("{{order.lines}}", '[{"sku":"x"}]'),
        ("{{name | dump}} {{ order.lines|dump }}", '"Ada" [{"sku":"x"}]'),
        ("{{unknown}}{{order.no.such}}{{seas[9]}}{{name.id}}", ""),
        ("{{unknown | dump}}", ""),
        ("a  {{- name -}}  b", "aAdab"),
        ("a{# {{not}} #}b", "ab"),
        ("{% raw %}{{name}} {% for %}{% endraw %}!", "{{name}} {% for %}!"),
        ("{%- raw -%}{{name}}", "{{name}}"),
        ("{{name}}}}", "Ada}}"),
    ],
)
def test_a_look_up_is_filled_in(text: str, filled: str) -> None:
    """Values are written as nunjucks writes them; what is not there leaves its place empty."""
    assert fill(text, VARIABLES, PLACE) == filled


def test_a_value_is_never_a_template() -> None:
    """A variable that holds `{{name}}` puts in these characters, and nobody's name."""
    assert fill("{{template}}", VARIABLES, PLACE) == "{{name}}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ name | upper }}", "the filter 'upper'"),
        ("{{ (order | load).id }}", "the filter 'load'"),
        ("{{ order | dump | safe }}", "the filter 'safe'"),
        ("{% for a in seas %}{{a}}{% endfor %}", "the block {% for %}"),
        ("{% if name %}x{% endif %}", "the block {% if %}"),
        ("{%- set x = 1 %}", "the block {% set %}"),
        ("{% include '/etc/passwd' %}", "the block {% include %}"),
        ("{{ env.HOME }}", "{{env}} is not supported"),
        ("{{ _conversation }}", "{{_conversation}} is not supported"),
        ("{{ name() }}", "{{name()}} is more than"),
        ("{{ count + 1 }}", "{{count + 1}} is more than"),
        ("{{ 'x' }}", "is more than"),
        ("{{ seas.length }}", "{{seas.length}} is more than"),
        ("{{ name", "'{{' is not closed"),
        ("{# name", "'{#' is not closed"),
    ],
)
def test_more_than_a_look_up_is_refused_by_name(text: str, words: str) -> None:
    """The sentence says what it is, and where it stands."""
    with pytest.raises(SuiteError) as refused:
        parse_template(text, PLACE)
    assert words in str(refused.value)
    assert str(refused.value).startswith("prompts.txt:4: ")


def test_each_refusal_has_its_own_line() -> None:
    """In a file every line of a text is one of the file's, and a block is told once."""
    text = "a\n{{ x | upper }}\n{% for y in z %}\n{% endfor %}\n{{ env.A }}"
    with pytest.raises(SuiteError) as refused:
        parse_template(text, SourceLine("prompts.txt", 10), counts_lines=True)
    assert [problem.line for problem in refused.value.problems] == [11, 12, 14]


def test_a_filled_text_is_bounded() -> None:
    """A few places that hold much do not make more than a model can read."""
    with pytest.raises(SuiteError, match="longer than"):
        fill("{{x}}" * 3, {"x": "x" * (MAX_TEXT // 2)}, PLACE)
