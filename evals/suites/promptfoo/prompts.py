"""Prompts of promptfoo: texts, chat messages as JSON or YAML, and the files that hold them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from evals.cases import ChatMessage, SourceLine, SuiteError
from evals.suites.conversation import chat_messages, user_message
from evals.suites.documents import parse_csv, parse_yaml
from evals.suites.filling import fill_node
from evals.suites.json_tree import parse_json
from evals.suites.promptfoo.source import CODE, SCHEME, PromptfooSource
from evals.suites.template import Template, Variables, as_json, parse_template
from evals.suites.values import check_keys, place_of, plain, refusal, text
from gateway.config.nodes import Node
from gateway.config.problems import quoted

DEFAULT_PROMPT = "{{prompt}}"
MAX_PROMPTS = 1_000
_SEPARATOR = "---"
_FILES = (".txt", ".md", ".j2", ".json", ".jsonl", ".yaml", ".yml", ".csv")
_EXECUTED = ("exec:", ".py", ".sh", ".bash", ".rb", ".pl", ".exe", ".bat", ".cmd", ".ps1", *CODE)
KEYS = ("id", "raw", "label", "messages", "display")
REFUSED: Final = {"config": "the version under test has its own settings", "function": "prompts are not made by code"}


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A prompt as it was written, before anything is filled in. `chat` are its messages where it has some."""

    label: str
    written: Node
    template: Template | None = None
    chat: Node | None = None

    def names(self) -> frozenset[str]:
        """Return the variables that it needs."""
        if self.template is not None:
            return self.template.names
        strings = (each for _, each in (self.chat or self.written).walk() if each.text and "{" in each.text)
        return frozenset[str]().union(*(parse_template(each.text or "", place_of(each)).names for each in strings))

    def around(self, prefix: str, suffix: str) -> "PromptSource":
        """Return the prompt with a text before and one after it. Raises SuiteError for messages."""
        if not prefix and not suffix:
            return self
        if self.template is None:
            raise refusal(self.written, "`prefix` and `suffix` belong to prompts of text; this one has messages")
        whole = f"{prefix}{self.written.text or ''}{suffix}"
        return replace(self, template=parse_template(whole, place_of(self.written)))

    def messages(self, variables: Variables) -> tuple[ChatMessage, ...]:
        """Return what is asked, with the variables filled in. Raises SuiteError."""
        if self.chat is not None:
            return chat_messages(fill_node(self.chat, variables), "a prompt")
        filled = self.template.fill(variables) if self.template else ""
        return _parsed(filled, self.written)


def read_prompts(node: Node | None, source: PromptfooSource) -> list[PromptSource]:
    """Return the prompts of a configuration; promptfoo's default where there are none."""
    if node is None or node.value is None:
        written = source.root or Node(None, "", 0, 0)
        return [_of_text(DEFAULT_PROMPT, "", Node(DEFAULT_PROMPT, written.file, written.line, 1))]
    if node.entries:
        entries = [(each.text or path, Node(path, each.file, each.line, 1)) for path, each in node.entries.items()]
    else:
        entries = [("", each) for each in node.items or (node,)]
    prompts, before = list[PromptSource](), len(source.findings.problems)
    for label, entry in entries:
        with source.findings.collecting():
            prompts.extend(_prompts(entry, label, source))
        if len(prompts) > MAX_PROMPTS:
            source.findings.add(entry, f"a suite has at most {MAX_PROMPTS:,} prompts")
            break
    if not prompts and len(source.findings.problems) == before:
        source.findings.add(node, "`prompts` holds no prompt")
    return prompts or [_of_text("", "", node)]  # so that the tests are read all the same


def _prompts(entry: Node, label: str, source: PromptfooSource) -> Iterator[PromptSource]:
    if not entry.entries:
        written = text(entry, "a prompt")
        if not written:
            raise refusal(entry, "a prompt must be text, or a mapping with `raw`, `id` or `messages`")
        yield from _of_reference(written, label, entry, source)
        return
    check_keys(entry, KEYS, REFUSED, source.findings)
    label = text(entry.get("label"), "`label`") or label
    if (messages := entry.get("messages")) is not None:
        yield PromptSource(label, messages, chat=_with_files(messages, source))
        return
    written_node = entry.get("raw") or entry.get("id")
    if written_node is None or not written_node.text:
        raise refusal(entry, "a prompt needs `raw`, `id` or `messages`")
    yield from _of_reference(written_node.text, label, written_node, source)


def _of_reference(written: str, label: str, node: Node, source: PromptfooSource) -> Iterator[PromptSource]:
    """Yield the prompts of a text, or of the files that it names."""
    name = written.removeprefix(SCHEME)
    if "\n" in written or not _names_file(written):
        if "://" in written.split("{{", 1)[0].split(" ", 1)[0]:
            raise refusal(node, f"{quoted(written)} is not fetched; keep a copy of the prompt beside the suite")
        yield _of_text(written, label, node)
        return
    if name.startswith(_EXECUTED[0]) or any(part.lower().endswith(_EXECUTED[1:]) for part in name.split(":")):
        raise refusal(node, f"{quoted(written)} is code, which is not run; keep the prompt in a file")
    for path in source.paths(written, node):
        yield from _of_file(path, label, node, source)


def _names_file(written: str) -> bool:
    lowered = written.lower()
    parts = lowered.split(":")
    is_file = any(part.endswith((*_FILES, *_EXECUTED[1:])) for part in parts[-2:])
    return lowered.startswith((SCHEME, _EXECUTED[0])) or (is_file and " " not in written)


def _of_file(path: Path, label: str, node: Node, source: PromptfooSource) -> Iterator[PromptSource]:
    kind, name = path.suffix.lower(), source.folder.name(path)
    if kind not in _FILES:
        raise refusal(node, f"{quoted(path.name)}: a file of prompts ends with {', '.join(_FILES)}")
    content = source.text(path, node)
    whole = Node(content, name, 1, 1)
    if kind == ".txt":
        yield from _separated(content, label, name)
    elif kind == ".csv":
        for row in parse_csv(content, name).items:
            if (prompt := row.get("prompt")) is None:
                raise refusal(row, "a table of prompts needs a column `prompt`")
            if prompt.text:
                named = row.get("label")
                yield _of_text(prompt.text, (named.text if named else "") or label, prompt)
    elif kind == ".jsonl":
        for number, line in enumerate(content.split("\n"), 1):
            if line.strip():
                yield _of_text(line, label, Node(line, name, number, 1))
    elif kind in (".yaml", ".yml"):
        tree = parse_yaml(content, name)
        yield _of_tree(tree, label) or _of_text(as_json(plain(tree)), label, whole)
    else:
        yield _of_text(content, label, whole, is_file=True)


def _separated(content: str, label: str, name: str) -> Iterator[PromptSource]:
    """Yield the prompts of a text file, between which stands a line of `---`."""
    begin, lines = 1, list[str]()
    for number, line in enumerate([*content.split("\n"), _SEPARATOR], 1):
        if line.strip() != _SEPARATOR:
            lines.append(line)
            continue
        if raw := "\n".join(lines).strip():
            yield _of_text(raw, label, Node(raw, name, begin, 1), is_file=True)
        begin, lines = number + 1, []


def _of_text(raw: str, label: str, node: Node, *, is_file: bool = False) -> PromptSource:
    """Return the prompt of a text. In a file each of its lines is one of the file's."""
    written = Node(raw, node.file, node.line, node.column)
    if raw.lstrip().startswith("["):
        try:
            tree = parse_json(raw, node.file, node.line)
        except SuiteError:
            tree = None
        if tree is not None and (prompt := _of_tree(tree, label)):
            return prompt
    place = SourceLine(node.file, node.text_line or node.line)
    return PromptSource(label, written, parse_template(raw, place, counts_lines=is_file or bool(node.text_line)))


def _of_tree(tree: Node, label: str) -> PromptSource | None:
    if tree.items and all("role" in each.entries for each in tree.items):
        return PromptSource(label, tree, chat=tree)
    return None


def _with_files(messages: Node, source: PromptfooSource) -> Node:
    """Return messages with the texts of the files that their contents name."""
    found: list[Node] = []
    for each in messages.items:
        content = each.get("content")
        if content is not None and (content.text or "").startswith(SCHEME):
            path = source.paths(content.text or "", content)[0]
            read = Node(source.text(path, content).strip(), source.folder.name(path), 1, 1)
            each = replace(each, value={**each.entries, "content": read})
        found.append(each)
    return replace(messages, value=tuple(found))


def _parsed(filled: str, written: Node) -> tuple[ChatMessage, ...]:
    """Return the messages that a filled prompt spells as JSON or YAML, or else one message of the user."""
    begin = filled.lstrip()
    if begin.startswith("- role:"):
        return chat_messages(parse_yaml(filled, written.file), "a prompt")
    if begin.startswith("["):
        try:
            tree = parse_json(filled, written.file, written.line)
        except SuiteError as error:
            if '"role"' in filled:
                reason = "; ".join(problem.message for problem in error.problems)
                raise refusal(
                    written, f"the prompt is no JSON once it is filled: {reason}; write {{{{name | dump}}}}"
                ) from None
            return (user_message(filled),)
        if _of_tree(tree, ""):
            return chat_messages(tree, "a prompt")
    return (user_message(filled),)
