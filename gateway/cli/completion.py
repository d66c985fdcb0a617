"""`serinus completion bash|zsh|fish`: a script that completes commands, verbs, options and agents' names.

The scripts ask this program for words (`serinus completion words …`). Agents' names are the folders of the
configuration that is at hand; no gateway is asked, so that the Tab key never waits for one.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.cli.defaults import default_folder
from gateway.cli.output import add_help
from gateway.terminal import printable

_MOST_NAMES = 1000
_AGENTS = ("agent", "AGENT")  # what a positional argument is called that takes an agent's name
_SCRIPTS: Final = {
    "bash": """\
_serinus() {
    local IFS=$'\\n'
    COMPREPLY=($(serinus completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _serinus serinus
""",
    "zsh": """\
#compdef serinus
_serinus() {
    local -a found
    found=("${(@f)$(serinus completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ -n "${found[1]}" ]] && compadd -a found || _files
}
if [[ "${funcstack[1]}" == _serinus ]]; then
    _serinus "$@"
else
    compdef _serinus serinus
fi
""",
    "fish": """\
function __serinus_words
    set -l words (commandline -opc) (commandline -ct)
    set -l found (serinus completion words -- $words[2..-1] 2>/dev/null | string match -v '')
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c serinus -f -a '(__serinus_words)'
""",
}


def add_arguments(completion: argparse.ArgumentParser) -> None:
    """Add the arguments of `completion`, and its help."""
    completion.add_argument(
        "shell", choices=[*_SCRIPTS, "words"], metavar="SHELL", help=f"one of {', '.join(_SCRIPTS)}"
    )
    completion.add_argument("words", nargs="*", metavar="WORD", help="with `words`: the words typed so far")
    add_help(
        completion,
        "completion bash > ~/.local/share/bash-completion/completions/serinus",
        "completion zsh > ~/.zfunc/_serinus",
        "completion fish > ~/.config/fish/completions/serinus.fish",
        exits={0: "done", 2: "wrong usage"},
    )


def run(parser: argparse.ArgumentParser, given: argparse.Namespace) -> int:
    """Print a shell's script, or the words that may come next; the exit code."""
    if given.shell == "words":
        print("\n".join(words(parser, given.words, default_folder(os.environ))))
    else:
        print(_SCRIPTS[given.shell], end="")
    return 0


def words(parser: argparse.ArgumentParser, typed: Sequence[str], folder: Path) -> list[str]:
    """Return what may stand in place of the last word, which may be empty; the others are complete."""
    *complete, begun = typed or [""]
    command, left = _command(parser, complete)
    if complete and command is parser:  # no command that there is
        return []
    if begun.startswith("-"):
        found: Iterator[str] = (name for action in command._actions for name in action.option_strings if len(name) > 2)
    else:
        found = _values(command, left, folder)
    return sorted({word for word in found if word.startswith(begun)})


def _command(parser: argparse.ArgumentParser, complete: Sequence[str]) -> tuple[argparse.ArgumentParser, list[str]]:
    """Return the parser of the command that was typed, and the words after it."""
    for place, word in enumerate(complete):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction) and word in action.choices:
                return action.choices[word], list(complete[place + 1 :])
    return parser, []


def _values(command: argparse.ArgumentParser, left: Sequence[str], folder: Path) -> Iterator[str]:
    """Return the values of the option before the cursor, or of the positional argument that comes next."""
    options = {name: action for action in command._actions for name in action.option_strings}
    if left and left[-1] in options and options[left[-1]].nargs != 0:
        yield from _choices(options[left[-1]], folder)
        return
    places = [action for action in command._actions if not action.option_strings]
    given = sum(_is_positional(word, before, options) for word, before in zip(left, ["", *left], strict=False))
    if places:
        action = places[min(given, len(places) - 1)]
        if given < len(places) or action.nargs in ("*", "+"):
            yield from _choices(action, folder)


def _is_positional(word: str, before: str, options: dict[str, argparse.Action]) -> bool:
    takes_it = before in options and options[before].nargs != 0
    return not word.startswith("-") and not takes_it


def _choices(action: argparse.Action, folder: Path) -> Iterator[str]:
    if action.choices is not None:
        yield from map(str, action.choices)
    elif action.dest in _AGENTS or (isinstance(action.metavar, str) and "AGENT" in action.metavar):
        yield from _agents(folder)


def _agents(folder: Path) -> Iterator[str]:
    """Return the names of the agents that have a folder of versions."""
    try:
        found = sorted(entry.name for entry in os.scandir(folder / "agents") if entry.is_dir())
    except OSError:
        return
    yield from (name for name in found[:_MOST_NAMES] if printable(name) == name)
