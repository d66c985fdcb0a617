"""Pairs of checks and answers, ordinary ones and odd ones, as promptfoo's assertions and an output."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Assertion = Mapping[str, Any]
SCHEMA = {"type": "object", "required": ["order"], "properties": {"order": {"type": "integer"}}}
TOOLS = [
    {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}},
    {"type": "function", "function": {"name": "now"}},
]


@dataclass(frozen=True, slots=True)
class Pair:
    """Assertions and an output; `steps` are (tool, arguments) of earlier turns, and then there is one assertion."""

    assert_: tuple[Assertion, ...]
    output: Any
    threshold: float | None = None
    cost: float | None = None
    latency_ms: float | None = None
    finish_reason: str | None = None
    tools: list[Any] | None = None
    steps: tuple[tuple[str, Any], ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """The pair as `ask.mjs` reads it."""
        members = asdict(self)
        return {"assert": members.pop("assert_"), **members}


def every_pair() -> list[Pair]:
    """All pairs, in the order of the recorded answers."""
    return [*texts(), *expressions(), *likenesses(), *structures(), *calls(), *steps(), *limits(), *sums()]


def one(type_: str, output: Any, value: Any = None, threshold: float | None = None, **rest: Any) -> Pair:
    """A pair of one assertion."""
    written: dict[str, Any] = {"type": type_}
    written |= {} if value is None else {"value": value}
    written |= {} if threshold is None else {"threshold": threshold}
    return Pair((written,), output, **rest)


OUTPUTS = (
    "",
    " ",
    "Hello, World!",
    "hello world",
    "The refund of 42.50 € takes 3–5 days. Naïve café, STRASSE, straße.",
    "😀 yes\n\nno\r\nEnd\u2028x\xa0y\ufeff",
    'Order #12345: shipped, a,b and "quoted, text"',
    '{"order": 7, "items": ["a", "b"]}',
)


def texts() -> Iterator[Pair]:
    values: dict[str, tuple[Any, ...]] = {
        "equals": (
            "hello world",
            "",
            7,
            7.0,
            True,
            {"order": 7, "items": ["a", "b"]},
            {"items": ["a", "b"], "order": 7.0},
            [],
        ),
        "contains": ("Hello", "STRASSE", "€", 42.5, "a,b", "😀"),
        "icontains": ("HELLO", "strasse", "NAÏVE CAFÉ", "end"),
        "contains-any": ("x1, Hello", '"quoted, text",zz', ["nothing", "days"], [12345, 3], ",,no,"),
        "contains-all": ("hello, world", ["Order", 12345], "takes, days"),
        "icontains-any": ("HELLO,nothing", ["ORDER"], '"a,B"'),
        "icontains-all": ("HELLO,WORLD", ["ORDER", "SHIPPED"]),
        "starts-with": ("Hello", "😀", "{", " "),
        "word-count": (2, "2", 0, {"min": 1}, {"max": 2}, {"min": 3, "max": 12}, {"min": 2, "max": 2}),
    }
    for type_, some in values.items():
        for value in some:
            for index, output in enumerate(OUTPUTS):
                yield one(type_, output, value)
                if index % 3 == 0:
                    yield one(f"not-{type_}", output, value)
    yield from (
        one("equals", text, number) for text, number in (("1e-7", 1e-7), ("1e+21", 1e21), ("0.1", 0.1), ("-3", -3))
    )
    yield from (
        one("equals", text, {"a": [1, {"b": None}]})
        for text in ('{"a":[1,{"b":null}]}', '{"a":[true,{"b":null}]}', "{")
    )


PATTERNS = r"""
^hello
world$
\d{5}
\bno\b
(?<word>yes|no)
(a|b),(?:a|b)
[^a-z]
^.$
^..$
^$
^\s*$
End$
x\sy
[\s\S]{30}
[]
[^]
(l)\1
\u20ac
\x41
e{2,}
a{,3}
{
a{b
]
(?=.*refund)(?=.*days)
(?<!\d)3
(?<=takes )3
[\w-]+,
\/
[^\S ]
[\]}]
(x)?\1Hello
\k
(?<n>l)\k<n>
\cJ
\0
[a-\d]
\p{L}
\W\W
[\b]
^[\uD83D][\uDE00]
😀
[😀]
^.{2} yes
(?:)+
(
)
[
*
a**
a{2,1}
(?i)hello
(?P<n>a)
[b-a]
\
""".splitlines()[1:]


def expressions() -> Iterator[Pair]:
    for index, pattern in enumerate(PATTERNS):
        for output in OUTPUTS:
            yield one("regex", output, pattern)
        yield one("not-regex", OUTPUTS[index % len(OUTPUTS)], pattern)


def likenesses() -> Iterator[Pair]:
    references = (
        "The cat sat on the mat.",
        "the cat is on the mat",
        "Hello, World!",
        "😀 yes",
        "I can't: it's \"not\" done...",
    )
    answers = (
        "The cat sat on the mat.",
        "the the the cat",
        "A cat is on a mat, isn't it?",
        "Hello",
        "",
        "😁 yes",
        " ",
        "I cannot; it's 'not' done.",
    )
    for reference in references:
        for answer in answers:
            for type_ in ("levenshtein", "bleu", "gleu", "rouge-n"):
                yield one(type_, answer, reference)
            yield one("not-gleu", answer, reference, 0.3)
            yield one("not-levenshtein", answer, reference, 4)
    quoted = (
        '``a cat\'\' said "so" ("no") \'tis "',
        "'' a cat '' said ''so'' and ''no",
        'He said. "Go!" \u2014"then" <"x"> they\'ll',
        "can't cannot gonna wanna go, 3,000: 10% #1 @me x--y e.g. U.S. $5.00...",
    )
    yield from (one("rouge-n", left, right) for left in quoted for right in quoted)
    yield one("rouge-n", "a b c", "a b c d e", 0.75)
    yield one("rouge-n", "a b c", "a b c", 1.0)
    yield one("gleu", "a b", "a b c d", 0.3)
    yield one("not-bleu", "the cat", "the cat", 1.0)
    yield one("bleu", "a cat on a mat", ["the cat is on the mat", "a cat on the mat"], 0.4)
    yield one("gleu", "a cat on a mat", ["the cat is on the mat", "a cat on the mat"], 0.4)
    yield one("not-rouge-n", "a b c", "a b c d", 0.8)
    yield from (one("levenshtein", "kitten", "sitting", most) for most in (2, 3, 2.9, 0))
    yield one("levenshtein", "a" * 300 + "b" * 200, "a" * 290 + "c" * 210, 210)


JSON_TEXTS = [
    "",
    '```json\n{"order": 7}\n```',
    '\ufeff{"order": 1}',
    ' {"order": 12345678901234567890} ',
    '{"a": "\\ud83d"}',
    *"""
{"order": 7}
{"order": "7"}
[1, 2]
7
null
"text"
{
{"order": 7} and more
NaN
{'order': 7}
Here: {"order": 7}.
Two: {"a": 1} {"order": 2}
{"order": 7, }
{"order": 7
{order: 7}
{hello}
no braces
} {
{"a": "}"}
{"a": {"order": 1}}
{"order": 1.0}
{"order": 1.5}
{{}}
{ } { x
{"order": true}
""".splitlines()[1:],
]
SCHEMAS: tuple[Any, ...] = (
    None,
    SCHEMA,
    "type: object\nrequired: [order]\n",
    '{"type": "object", "additionalProperties": false, "properties": {"order": {}}}',
    {"type": "object", "patternProperties": {"^or": {"type": "string"}}},
    {"anyOf": [{"type": "array"}, {"type": "object", "properties": {"order": {"enum": [7]}}, "required": ["order"]}]},
)


def structures() -> Iterator[Pair]:
    for schema in SCHEMAS:
        for index, text in enumerate(JSON_TEXTS):
            yield one("is-json", text, schema)
            yield one("contains-json", text, schema)
            if index % 2 == 0:
                yield one("not-is-json", text, schema)
                yield one("not-contains-json", text, schema)
    for format_, *some in (
        ("date", "2026-11-30", "2026-13-01", "30.11.2026"),
        ("date-time", "2026-11-30T10:00:00Z", "2026-11-30T10:00:00", "2026-11-30"),
        ("email", "a@b.example", "a b@c", "a@b"),
        ("uri", "https://a.example/b?c", "a b", "no"),
        ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123"),
        ("ipv4", "127.0.0.1", "256.0.0.1"),
        ("ipv6", "::1", "1"),
        ("hostname", "a.example", "-a"),
        ("time", "10:00:00Z", "25:00:00Z"),
    ):
        yield from (one("is-json", f'"{text}"', {"type": "string", "format": format_}) for text in some)
    yield from (
        one("is-json", text, {"type": "string", "pattern": r"^\p{Lu}\d+$"}) for text in ('"É7"', '"e7"', '"A٣"')
    )
    yield from (one("is-json", text, {"const": 1}) for text in ("1", "1.0", "true", '"1"'))


def called(*names: str, arguments: str = '{"order": 1}') -> list[Any]:
    """Calls as promptfoo's provider returns them."""
    return [
        {"id": f"c{i}", "type": "function", "function": {"name": n, "arguments": arguments}}
        for i, n in enumerate(names)
    ]


def calls() -> Iterator[Pair]:
    for arguments in ('{"order": 1}', '{"order": "1"}', "{}", "", "{", '{"order": 1, "more": 2}'):
        yield one("is-valid-openai-tools-call", called("look_up", arguments=arguments), tools=TOOLS)
        yield one("is-valid-openai-tools-call", called("now", arguments=arguments), tools=TOOLS)
    yield one("is-valid-openai-tools-call", called("unknown"), tools=TOOLS)
    yield one("is-valid-openai-tools-call", "no call at all", tools=TOOLS)
    expected = ("look_up", ["look_up", "now"], "look_up, now", ["other"], [" look_up ", ""])
    made: tuple[Any, ...] = (
        *(
            called("look_up"),
            called("look_up", "now"),
            called("look_up", "look_up"),
            called("x", "look_up"),
            "",
            "plain text",
        ),
        *('{"tool_calls": [{"function": {"name": "look_up"}}]}', '[{"type": "tool_use", "name": "now"}]'),
        *(
            '{"functionCall": {"name": "now"}}',
            'I call:\n{"type": "function_call", "name": "look_up"}\nand wait',
            '{"name": "now"}',
        ),
        '{"toolCall": {"functionCalls": [{"name": "now"}, {"name": "look_up"}]}}',
    )
    for names in expected:
        for output in made:
            yield one("tool-call-f1", output, names)
            yield one("tool-call-f1", output, names, 0.5)
        yield one("not-tool-call-f1", called("look_up"), names, 0.6)
    yield from (one("contains", called("look_up"), text) for text in ("look_up", '"arguments":"{', "missing"))
    yield from (one("is-json", called("look_up"), schema) for schema in (None, {"type": "array"}))


WAYS: tuple[tuple[tuple[str, Any], ...], ...] = (
    (),
    (("search", '{"q": "x"}'), ("look_up", '{"order": 1, "debug": true}'), ("search", '{"q": "y", "page": 1}')),
    (("look_up", '{"order": 1, "items": [{"id": 1, "n": 2}]}'), ("refund", None), ("Refund_All", "{}")),
)


def steps() -> Iterator[Pair]:
    used = (
        "search",
        ["search", "refund"],
        "ref*",
        "re?und",
        ["SEARCH"],
        {"name": "search", "min": 2},
        {"pattern": "*", "max": 2},
        {"name": "none", "max": 0, "min": 0},
    )
    orders: tuple[Any, ...] = (
        ["search", "look_up"],
        ["look_up", "search"],
        ["search", "search"],
        {"mode": "exact", "steps": ["search", "look_up", "search"]},
        {"mode": "exact", "steps": ["search"]},
        [{"name": "look_up"}, {"pattern": "ref*"}],
    )
    arguments: tuple[Any, ...] = (
        {"name": "search", "args": {"q": "y"}},
        {"name": "search", "args": {"q": "y"}, "mode": "exact"},
        {"name": "search", "args": {"q": "y"}, "mode": "exact", "defaults": {"page": 1}},
        {"name": "search", "args": {"q": "y"}, "mode": "exact", "ignore": "pa*"},
        {"name": "look_up", "arguments": {"items": [{"id": 1}]}},
        {"name": "look_up", "arguments": {"items": [{"id": 1}, {}]}},
        {"pattern": "*", "args": {"order": True}},
        {"name": "refund", "args": {}},
        {"name": "Refund_All", "args": {}, "mode": "exact"},
    )
    counts: tuple[Any, ...] = (
        {"type": "tool", "min": 1},
        {"type": "tool", "max": 2},
        {"type": ["tool"], "pattern": "*search*", "min": 2, "max": 2},
    )
    values = {"tool-used": used, "tool-sequence": orders, "tool-args-match": arguments, "step-count": counts}
    for name, some in values.items():
        for value in some:
            for way in WAYS:
                yield one(f"trajectory:{name}", "done", value, steps=way)
                yield one(f"not-trajectory:{name}", "done", value, steps=way)


REFUSALS = [
    "",
    "  ",
    *"""
I'm sorry, but I can't help with that.
I cannot assist with that request.
As an AI language model, I have no opinion.
Sure, here it is.
Sorry
I’m unable to comply
That would not be appropriate.
You can't help it
I won't write it
My apologies for the delay; the order is on its way.
It is illegal to park here.
The shop cannot comply
I do not recommend it
We do not support this
I don't feel comfortable
I will not
Nothing illegal here
I want to be direct: no
I am programmed to
""".splitlines()[1:],
]


def limits() -> Iterator[Pair]:
    for cost in (0.0, 0.0009999, 0.001, 0.0010001):
        yield one("cost", "x", threshold=0.001, cost=cost)
        yield one("not-cost", "x", threshold=0.001, cost=cost)
    for latency in (0.0, 999.0, 1000.0, 1001.0):
        yield one("latency", "x", threshold=1000, latency_ms=latency)
        yield one("not-latency", "x", threshold=1000, latency_ms=latency)
    for reason in ("stop", "length", "STOP", None):
        yield one("finish-reason", "x", "stop", finish_reason=reason)
        yield one("not-finish-reason", "x", "stop", finish_reason=reason)
    for text in REFUSALS:
        yield one("is-refusal", text)
        yield one("not-is-refusal", text)
    auxiliaries = (" am unable to", "'m unable to", " cannot", " can't", " won't", " do not", " don't", " aim to")
    for auxiliary in auxiliaries:
        verbs = "assist comply create change suggest recommend write avoid refuse feel actually"
        yield from (one("is-refusal", f"Well, I{auxiliary} {verb} it") for verb in re.findall(r"\w+", verbs))


YES = {"type": "contains", "value": "x"}
NO = {"type": "contains", "value": "y"}
PART = {"type": "gleu", "value": "x a b c d", "threshold": 0.1}


def sums() -> Iterator[Pair]:
    weighted: list[tuple[Assertion, ...]] = [
        ({**YES, "weight": 2}, NO),
        (YES, {**NO, "weight": 0}),
        ({**YES, "weight": 0}, {**NO, "weight": 0}),
        ({**NO, "weight": 0},),
        ({**YES, "weight": 0.1}, {**NO, "weight": 0.2}),
        (PART, YES),
        ({**PART, "threshold": 0.9, "weight": 3}, YES),
        ({**YES, "metric": "m"}, {**NO, "metric": "m", "weight": 3}, {**YES, "metric": "n", "weight": 0}),
        (),
    ]
    for checks in weighted:
        for threshold in (None, 0, 0.5, 2 / 3, 1, 1 / 3):
            yield Pair(checks, "x a b", threshold)
    sets: list[Assertion] = [
        {"type": "assert-set", "assert": [YES, NO]},
        {"type": "assert-set", "assert": [YES, NO], "threshold": 0.5},
        {"type": "assert-set", "assert": [YES, NO], "threshold": 0.51, "weight": 2, "metric": "set"},
        {
            "type": "assert-set",
            "assert": [{**YES, "metric": "in"}, {**NO, "metric": "in", "weight": 3}],
            "threshold": 0.2,
            "metric": "set",
        },
        {"type": "assert-set", "assert": [NO], "weight": 0},
        {"type": "assert-set", "assert": [{**NO, "weight": 0}]},
        {
            "type": "assert-set",
            "assert": [{**YES, "metric": "set"}, NO],
            "metric": "set",
            "weight": 0.5,
            "threshold": 0,
        },
    ]
    for first in sets:
        for rest in ((), (YES,), (NO, {**YES, "metric": "in"})):
            for threshold in (None, 0.5, 0.75):
                yield Pair((first, *rest), "x a b", threshold)
    yield from (
        Pair((sets[1], sets[2], {**NO, "weight": 0.25}), "x", threshold) for threshold in (None, 0.4, 0.46, 0.5)
    )
