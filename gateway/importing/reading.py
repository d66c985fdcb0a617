"""A prompt's file as a version: the format is told by the file's ending, or by the keys of its JSON."""

import re
from pathlib import Path
from typing import Final

from gateway.config.agent_file import AgentFile
from gateway.config.nodes import Node
from gateway.config.problems import Problem
from gateway.config.prompts import PromptFolder, build_prompt
from gateway.config.strict_yaml import UnreadableError, parse, read_text
from gateway.config.validation import validate
from gateway.importing.dotprompt import read_dotprompt
from gateway.importing.imported import Draft
from gateway.importing.json_prompts import read_langfuse, read_openai
from gateway.importing.prompty import read_prompty
from gateway.importing.version_yaml import write_yaml

_PAIR: Final = re.compile(r"(?<!\\)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_READERS: Final = {".prompt": read_dotprompt, ".prompty": read_prompty}


def read_prompt_file(path: Path, model: str | None = None) -> tuple[str, Draft]:
    """Return the YAML of a version, and what of the file is in it and what not; `model` replaces the file's.

    The YAML is one that `serinus check` takes, where nothing was refused.
    """
    draft = _read(path)
    if model is not None:
        draft.content["model"] = model
    order = ("name", "description", "model", "system_prompt", "messages", "inputs")
    first = {key: draft.content[key] for key in order if draft.content.get(key) is not None}
    text = write_yaml({**first, **{key: value for key, value in draft.content.items() if key not in first}})
    if not draft.refused:
        draft.refused += _problems(text, str(path))
    return text, draft


def _read(path: Path) -> Draft:
    try:
        text = read_text(path)
    except UnreadableError as error:
        return Draft(refused=[Problem(str(path), error.line, "", str(error))])
    reader = _READERS.get(path.suffix)
    return _of_json(text, str(path)) if reader is None else reader(text, str(path))


def _of_json(text: str, file: str) -> Draft:
    """Read JSON, which is YAML but for characters in two halves."""
    parsed = parse(_PAIR.sub(lambda found: _joined(found[1], found[2]), text), file)
    root = parsed.root
    if root is None or parsed.problems:
        return Draft(refused=[*parsed.problems, *([] if parsed.problems else [Problem(file, 0, "", "is empty")])])
    kind, id_ = root.get("object"), root.get("id")
    is_stored = (kind is not None and kind.text == "prompt") or (id_ is not None and (id_.text or "")[:5] == "pmpt_")
    if is_stored or root.get("instructions") is not None:
        return read_openai(root)
    if root.get("prompt") is not None:
        return read_langfuse(root)
    message = "is no prompt that is known: .prompt, .prompty, or JSON of Langfuse (`prompt`) or OpenAI (`instructions`)"
    return Draft(refused=[root.problem((), message)])


def _joined(high: str, low: str) -> str:
    return (chr(int(high, 16)) + chr(int(low, 16))).encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _problems(text: str, file: str) -> list[Problem]:
    """Return what `serinus check` would say of the version's own file."""
    node = parse(text, file).root or Node({}, file, 1, 1)
    version, found = validate(AgentFile, node)
    _, more = build_prompt(node, version, PromptFolder(Path(), ""))
    return [Problem(file, 0, each.path, each.message) for each in [*found, *more]]
