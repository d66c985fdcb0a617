"""Assertions of promptfoo as checks: every key is read, or refused by name."""

import re
from dataclasses import replace
from typing import Final

from pydantic import JsonValue

from evals.cases import CheckSpec
from evals.checks.external import EXTERNAL
from evals.suites.evaluator_entry import EvaluatorReader
from evals.suites.promptfoo.source import SCHEME, PromptfooSource
from evals.suites.template import Variables, as_text, fill
from evals.suites.values import check_keys, number, place_of, plain, refusal, sequence, text
from gateway.config.nodes import Node
from gateway.config.problems import quoted

KEYS = ("type", "value", "threshold", "weight", "metric", "provider", "transform", "assert")
REFUSED: Final = {
    "rubricPrompt": "judges have a prompt of their own; write what is judged into `value`",
    "config": "checks take their settings from `value` and `threshold`",
    "contextTransform": "the context is that of the variable `context`",
}
_JAVASCRIPT = "`javascript` is not run; write the check in Python (`type: python`), or with a check that has a name"
_NEGATION = "not-"
_PROVIDER = re.compile(r"[A-Za-z][\w.-]*")
# Between a provider's name and a model promptfoo may write which of the provider's endpoints is meant.
_ENDPOINTS = ("chat", "responses", "completion", "embedding", "embeddings", "messages", "converse")
_NO_PROVIDERS = (
    "file",
    "python",
    "exec",
    "http",
    "https",
    "webhook",
    "package",
    "golang",
    "ruby",
    "promptfoo",
    "browser",
)
_SAME_SETTINGS = {"temperature": 0}  # what judges are called with


def read_assertion(node: Node, variables: Variables, source: PromptfooSource) -> CheckSpec:
    """Return the check that an assertion stands for. Raises SuiteError with everything in it that is not supported."""
    node = source.followed(node)
    if not node.entries:
        raise refusal(node, "an assertion must be a mapping with a `type`")
    check_keys(node, KEYS, REFUSED, source.findings)
    written = text(node.get("type"), "`type`")
    if not written:
        raise refusal(node, "an assertion needs a `type`")
    negated = written.startswith(_NEGATION)
    spec = CheckSpec(written.removeprefix(_NEGATION), place_of(node), negated=negated)
    if spec.type == "javascript":
        raise refusal(node, _JAVASCRIPT)
    spec = _with_settings(spec, node, variables, source)
    if spec.type == "assert-set":
        return replace(spec, children=_children(node, variables, source))
    if node.get("assert") is not None:
        raise refusal(node, f"`assert` belongs to `assert-set`, and this is {quoted(written)}")
    return replace(spec, value=_value(node.get("value"), spec, variables, source))


def _with_settings(spec: CheckSpec, node: Node, variables: Variables, source: PromptfooSource) -> CheckSpec:
    metric = text(node.get("metric"), "`metric`")
    weight = number(node.get("weight"), "`weight`")
    if weight is not None and weight < 0:
        raise refusal(node, "`weight` must be at least 0")
    provider, changed = node.get("provider"), node.get("transform")
    return replace(
        spec,
        threshold=number(node.get("threshold"), "`threshold`"),
        weight=1.0 if weight is None else weight,
        metric=None if metric is None else fill(metric, variables, place_of(node)),
        target=None if provider is None else judge_target(provider, spec.type),
        transform=None if changed is None else read_transform(changed, source),
    )


def _children(node: Node, variables: Variables, source: PromptfooSource) -> tuple[CheckSpec, ...]:
    listed = node.get("assert")
    if listed is None or not listed.items or node.get("value") is not None:
        raise refusal(node, "an `assert-set` needs a list of assertions under `assert`, and no `value`")
    return tuple(read_assertion(each, variables, source) for each in sequence(listed, "`assert`"))


def _value(node: Node | None, spec: CheckSpec, variables: Variables, source: PromptfooSource) -> JsonValue:
    if node is None:
        return None
    if spec.type == EXTERNAL:  # nothing is filled into a command
        return EvaluatorReader(source).value(node)
    if spec.type == "python":
        return _python(node, source)
    if node.text is not None:
        return _filled(node, variables, source)
    if isinstance(node.value, tuple):
        return [_filled(each, variables, source) if each.text is not None else plain(each) for each in node.items]
    return plain(node)


def _python(node: Node, source: PromptfooSource) -> str:
    """Return the code, or the file that it is in. A variable's value never becomes code."""
    code = text(node, "`value`") or ""
    if code.startswith(SCHEME):
        return source.python_file(code, node)
    if "{{" in code or "{%" in code:
        raise refusal(node, "variables are not filled into code, for a value could be code; use context['vars']")
    return code


def _filled(node: Node, variables: Variables, source: PromptfooSource) -> JsonValue:
    written = node.text or ""
    if written.startswith("package:"):
        raise refusal(node, f"{quoted(written)} is code, which is not run")
    if written.startswith(SCHEME):
        return plain(source.value_file(fill(written, variables, place_of(node)), node))
    return fill(written, variables, place_of(node))


def read_transform(node: Node, source: PromptfooSource) -> str:
    """Return the Python file that changes an answer before it is checked. Raises SuiteError."""
    written = as_text(plain(node))
    if not written.startswith(SCHEME):
        raise refusal(node, "`transform` is JavaScript, which is not run; name a Python file: file://change.py")
    return source.python_file(written, node)


def judge_target(node: Node, check: str) -> str:
    """Return the target `provider/model` of a judge that promptfoo writes `provider:endpoint:model`."""
    written = node
    if node.get("text") is not None or node.get("embedding") is not None:
        kind = "embedding" if check.startswith("similar") else "text"
        below = node.get(kind)
        if below is None:
            raise refusal(node, f"`provider` has no `{kind}`, which this check needs")
        written = below
    if written.entries:
        settings = written.get("config")
        if settings is not None and settings.plain() != _SAME_SETTINGS:
            raise refusal(
                settings, "judges have no `config`: they are asked at temperature 0, as their version file says"
            )
        written = written.get("id") or written
    name, _, rest = (text(written, "`provider`") or "").partition(":")
    endpoint, _, model = rest.partition(":")
    model = model if endpoint in _ENDPOINTS and model else rest
    if not _PROVIDER.fullmatch(name) or name in _NO_PROVIDERS or not model:
        raise refusal(
            written, f"{quoted(written.plain())} is no judge; write a provider and a model, such as openai:gpt-5.2"
        )
    return f"{name}/{model}"
