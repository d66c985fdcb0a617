"""`serinus diff`: the parts that change, and the words of a prompt."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.diff import as_rows, compare, painted_words
from gateway.cli.main import main
from gateway.terminal import Palette
from tests.support.running import write

TOOL = {"name": "look", "parameters": {"type": "object"}}
V1: dict[str, Any] = {
    "model": "openai/a",
    "temperature": 0.3,
    "system_prompt": "You help {{name}} with orders.",
    "inputs": {"name": {"max_length": 9}, "plan": {"default": "free"}},
    "tools": [TOOL],
}
V2: dict[str, Any] = {
    "model": "openai/b",
    "client_may_set": ["seed"],
    "seed": 1,
    "system_prompt": "You kindly help {{name}} with all orders.",
    "messages": [{"role": "user", "content": "Hi"}],
    "inputs": {"name": {"max_length": 20}},
    "tools": [{**TOOL, "description": "new"}],
}


def folder(path: Path) -> Path:
    files: dict[str, object] = {
        "gateway.yaml": {"providers": {"openai": {"api": "openai", "api_key": "${KEY}"}}},
        "routing.yaml": {"agents": {"support": {"stable": "v1"}}},
        "agents/support/v1.yaml": V1,
        "agents/support/v2.yaml": V2,
    }
    return write(path, files)


def test_every_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Model, parameters, tools, inputs and prompts are compared; without a terminal, words stand in brackets."""
    assert main(["diff", "support", "v1", "v2", "--config", str(folder(tmp_path))]) == 0
    shown = capsys.readouterr().out
    parts = [
        line
        for line in shown.splitlines()
        if line.startswith(("model", "param", "client", "tools", "inp", "sys", "mess"))
    ]
    assert parts == [
        "model", "parameters.seed", "parameters.temperature", "client_may_set", "tools.look", "inputs.name",
        "inputs.plan", "system_prompt", "messages.0",
    ]  # fmt: skip
    assert "You{+ kindly+} help {{name}} with {+all +}orders." in shown
    assert "- string, at most 9\n+ string, at most 20" in shown and "{+user: Hi+}" in shown


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs get each part before and after, and the words."""
    assert main(["diff", "support", "v1", "v2", "--config", str(folder(tmp_path)), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    prompt = next(change for change in found["changes"] if change["part"] == "system_prompt")
    assert prompt["before"] == V1["system_prompt"] and ["added", " kindly"] in prompt["words"]
    assert not found["same"] and found["before"]["version"] == "v1" and len(found["after"]["digest"]) == 64
    main(["diff", "support", "v1", "v1", "--config", str(tmp_path), "--json"])
    assert json.loads(capsys.readouterr().out)["changes"] == []
    main(["diff", "support", "v1", "v1", "--config", str(tmp_path)])
    assert capsys.readouterr().out == "v1 and v1 have the same content\n"


def test_colours(tmp_path: Path) -> None:
    """At a terminal, words are red and green, and nothing in a prompt is obeyed."""
    files: dict[str, object] = {"agents/support/v2.yaml": {**V1, "system_prompt": "You \x1b[2Jhelp {{name}} {{plan}}."}}
    write(folder(tmp_path), files)
    colours = Palette(is_on=True)
    shown = painted_words(as_rows(compare(tmp_path, "support", "v1", "v2"), colours), colours)
    assert "\x1b[31m" in shown and "\x1b[32m" in shown and "\x1b[2J" not in shown and "\\x1b[2J" in shown


def test_long_prompts(tmp_path: Path) -> None:
    """Long texts are compared by lines, and only what stands near a change is shown."""
    lines = [f"Line {number} of a long prompt.\n" for number in range(2000)]
    files: dict[str, object] = {
        "agents/support/v1.yaml": {"model": "openai/a", "system_prompt": "".join(lines)},
        "agents/support/v2.yaml": {
            "model": "openai/a",
            "system_prompt": "".join([*lines[:900], "New.\n", *lines[900:]]),
        },
    }
    write(folder(tmp_path), files)
    shown = painted_words(as_rows(compare(tmp_path, "support", "v1", "v2"), Palette()), Palette())
    assert "{+New.\n+}" in shown and shown.count("\n") < 40


@pytest.mark.parametrize(
    ("names", "said"), [(("nobody", "v1", "v2"), "unknown agent"), (("support", "v1", "v9"), "no version")]
)
def test_unknown_names(tmp_path: Path, capsys: pytest.CaptureFixture[str], names: tuple[str, ...], said: str) -> None:
    """An unknown agent or version is wrong usage, and the known ones are listed."""
    assert main(["diff", *names, "--config", str(folder(tmp_path))]) == 2
    assert said in capsys.readouterr().err
