"""Golden cases of reviewed calls: what was asked becomes a case, and what people said its check.

What a client, a model or a reviewer wrote stays literal: it stands where no tool fills in templates, names files or
runs anything.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from gateway.contents.content import CallContent, ContentMessage, ContentPart
from gateway.review.view import LabelView

_RUN: Final = "run"  # among tool results a list of this name is a command that an evaluation starts
_LONGEST_NAME: Final = 200
_SAID: Final = ("text", "refusal")
_SCHEMES: Final = ("file:", "package:")  # of values that suites read elsewhere
_UNREADABLE: Final = ("media", "unread")


@dataclass(frozen=True, slots=True)
class GoldenCase:
    """A reviewed call as a case: the conversation and the reference answer as chat completions write them.

    `tool_results` are what tools gave back in the conversation, by name, in turn.
    """

    label: LabelView
    messages: tuple[Mapping[str, Any], ...]
    answer: Mapping[str, Any]
    tool_results: Mapping[str, Any]

    @property
    def is_good(self) -> bool:
        return self.label.label == "good"

    @property
    def tools(self) -> tuple[str, ...]:
        """Return the names of the tools that the answer calls."""
        return tuple(dict.fromkeys(call["function"]["name"] for call in self.answer.get("tool_calls", ())))

    @property
    def metadata(self) -> dict[str, Any]:
        """Return where the case comes from, and the results of its tools."""
        label = self.label
        origin = {"call_id": label.call_id, "version": label.version, "label": label.label, "labelled_at": label.at}
        comment = {"comment": label.comment} if label.comment else {}
        return {**origin, **comment, **({"tool_results": dict(self.tool_results)} if self.tool_results else {})}


def golden_case(label: LabelView) -> GoldenCase | str:
    """Return the case of a reviewed call; or why there is none, in words that follow a number of calls."""
    content = label.content
    if label.label == "unsure":
        return "labelled unsure"
    if content is None:
        return "without their texts, which have ended"
    if content.cut or content.left_out or not content.complete or content.answer is None:
        return "not recorded whole"
    if any(part.kind in _UNREADABLE for message in content.messages for part in message.parts):
        return "with images, files or parts that cannot be read"
    if label.label == "bad" and not label.comment:
        return "labelled bad without a comment, so that nothing says what is wrong"
    ids = _CallIds()
    messages = tuple(each for message in content.messages for each in _chat_messages(message, ids))
    answer = next(iter(_chat_messages(content.answer, ids)), {})
    if not messages or (label.label == "good" and not answer):
        return "without a question or an answer in text"
    return GoldenCase(label, messages, answer, _tool_results(content))


def promptfoo_suite(agent: str, cases: Iterable[GoldenCase]) -> str:
    """Return a `promptfooconfig.yaml` of the cases."""
    # Values below a variable that is a mapping are looked up, and never read as templates or as names of files.
    tests = [_promptfoo_test(case) for case in cases]
    suite = {
        "description": f"Reviewed calls of {agent}",
        "prompts": ["{{reviewed.conversation | dump}}"],
        "tests": tests,
    }
    return "\n".join(_yaml(suite)) + "\n"


def json_lines(cases: Iterable[GoldenCase]) -> str:
    """Return the good cases as examples in JSON lines, whose last message is the reference answer."""
    rows = (
        {"id": case.label.call_id, "messages": [*case.messages, _example_answer(case)], "metadata": case.metadata}
        for case in cases
        if case.is_good
    )
    return "".join(f"{orjson.dumps(row).decode()}\n" for row in rows)


def _promptfoo_test(case: GoldenCase) -> dict[str, Any]:
    label = case.label
    reviewed: dict[str, Any] = {"conversation": list(case.messages)}
    checks: list[dict[str, Any]] = []
    if case.is_good:
        if text := case.answer.get("content"):
            reviewed["answer"] = _reference(text)
            checks.append({"type": "factuality", "value": "{{reviewed.answer}}"})
        if case.tools:
            reviewed["tools"] = list(case.tools)
            names = [f"{{{{reviewed.tools[{index}]}}}}" for index in range(len(case.tools))]
            checks.append({"type": "trajectory:tool-used", "value": names})
    else:
        reviewed["comment"] = label.comment
        rubric = "A person found this fault in an earlier answer; this answer does not have it: {{reviewed.comment}}"
        checks.append({"type": "llm-rubric", "value": rubric})
    described = f"call {label.call_id} of {label.at}, labelled {label.label}"
    return {"description": described, "vars": {"reviewed": reviewed}, "assert": checks, "metadata": case.metadata}


def _example_answer(case: GoldenCase) -> Mapping[str, Any]:
    text = case.answer.get("content")
    return {**case.answer, "content": _reference(text)} if text else case.answer


def _reference(text: str) -> str:
    """Return a reference answer that nobody takes for the name of a file."""
    return f" {text}" if text.startswith(_SCHEMES) else text


class _CallIds:
    """Ids of tool calls, where a format has none: the next result is that of the earliest call without one."""

    def __init__(self) -> None:
        self._made = 0
        self._open: list[str] = []

    def of_call(self, part: ContentPart) -> str:
        if part.id:
            return part.id
        self._made += 1
        self._open.append(f"call_{self._made}")
        return self._open[-1]

    def of_result(self, part: ContentPart) -> str:
        if part.id or not self._open:
            return part.id or "call_0"
        return self._open.pop(0)


def _chat_messages(message: ContentMessage, ids: _CallIds) -> Iterator[dict[str, Any]]:
    """Yield a message as chat completions write it: results of tools are messages of their own."""
    for part in message.parts:
        if part.kind == "tool_result":
            yield {"role": "tool", "tool_call_id": ids.of_result(part), "content": part.text}
    text = "".join(part.text for part in message.parts if part.kind in _SAID)
    calls = [
        {"id": ids.of_call(part), "type": "function", "function": {"name": part.name, "arguments": part.text}}
        for part in message.parts
        if part.kind == "tool_call"
    ]
    if text or calls:
        said: dict[str, Any] = {"role": message.role}
        yield {**said, **({"content": text} if text else {}), **({"tool_calls": calls} if calls else {})}


def _tool_results(content: CallContent) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for message in content.messages:
        for part in message.parts:
            if part.kind == "tool_result" and 0 < len(part.name) <= _LONGEST_NAME:
                found.setdefault(part.name, []).append(part.text)
    return {name: results[-1] if name == _RUN else results for name, results in found.items()}


def _yaml(value: Any, indent: str = "") -> Iterator[str]:
    """Yield a value as lines of YAML in blocks. Every text is in double quotes, so that it means nothing else."""
    if isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _entry(f"{indent}{_quoted(name)}:", each, indent)
    elif isinstance(value, list) and value:
        for each in value:
            first, *rest = _yaml(each, f"{indent}  ")
            yield f"{indent}- {first.lstrip(' ')}"
            yield from rest
    else:
        yield f"{indent}{_scalar(value)}"


def _entry(name: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, (Mapping, list)) and value:
        yield name
        yield from _yaml(value, f"{indent}  ")
    else:
        yield f"{name} {_scalar(value)}"


def _scalar(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else orjson.dumps(value).decode()


def _quoted(text: str) -> str:
    """Return a text in double quotes that YAML and JSON read alike."""
    if text.isidentifier() and text.isascii() and text in _PLAIN:
        return text
    return orjson.dumps(text).decode().translate(_ESCAPED)


_PLAIN: Final = frozenset(
    {"description", "prompts", "tests", "vars", "reviewed", "conversation", "assert", "metadata", "type", "value"}
)
# What YAML takes for a line's end, or refuses, even in quotes.
_ESCAPED: Final = {code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, 0xFEFF, 0xFFFE, 0xFFFF)}


def labels_lines(agent: str, labels: Sequence[LabelView]) -> str:
    """Return labels in JSON lines, from which a judge is calibrated; `unsure` says nothing of it."""
    scores = {"bad": 0.0, "good": 1.0}
    rows = (
        {
            "call_id": each.call_id, "agent": agent, "version": each.version, "human": scores[each.label],
            "judge": each.judge, "judge_digest": each.judge_digest, "at": each.at, "comment": each.comment,
        }
        for each in labels
        if each.label in scores
    )  # fmt: skip
    return "".join(f"{orjson.dumps(row).decode()}\n" for row in rows)
