"""`serinus init`: a first configuration in a few small files, after two questions or from flags."""

import argparse
import importlib.util
import json
import os
import re
import secrets
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway import ENV_FILE
from gateway.cli.defaults import USUAL_URL, default_folder
from gateway.config.fields import BUNDLE, INSTALL_EMBEDDED, NAME_PATTERN, TARGET_PATTERN
from gateway.config.presets import PRESETS, Preset
from gateway.config.problems import quoted, unknown
from gateway.formats.registry import PROVIDERS

_WELL, _NO, _WRONG_USAGE = 0, 1, 2
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*(:[A-Za-z0-9._-]+)?")  # what needs no quotes in YAML
_VARIABLE: Final = re.compile(r"\$\{([A-Z_]+)\}")
_GITIGNORE: Final = ".gitignore"
_KEPT: Final = (ENV_FILE, _GITIGNORE)  # what a folder may have already
_A_REGION: Final = "us-east-1"
_PRIVATE: Final = 0o600

_GATEWAY: Final = """\
# The deployment: its address, store and providers. `serinus check` lists every problem in this folder.
listen: 127.0.0.1:8080
store: {store}

providers:
  {provider}: {entry}{comment}

models: [{provider}/*]    # apps that name a model of it are served, too; without this line agents alone are
"""
_ROUTING: Final = """\
# Which version serves which calls. Clients send  "model": "{agent}"
agents:
  {agent}:
    stable: v1
    # canary: v2      # a first rollout: write agents/{agent}/v2.yaml with `extends: v1` and what it changes,
    # weight: 5%      # then take the two marks away; everything takes effect when you save

# aliases:
#   {model}: {agent}    # apps that name this model get the agent
"""
_VERSION: Final = """\
# One version: model, prompt, parameters and tools. A change is a new file beside it: `extends: v1`.
model: {target}
system_prompt: |
  You are a helpful assistant.
"""
_ENV: Final = """\
# Keys. For this machine alone: it belongs neither into Git nor into a chat.
{keys}SERINUS_ADMIN_TOKEN={token}
"""


class _Unusable(Exception):
    """An answer or a flag that no configuration can be made of."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The answers to the questions."""

    provider: str
    model: str
    agent: str

    @property
    def preset(self) -> Preset:
        return PRESETS[self.provider]

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that the provider needs."""
        return tuple(name for text in self.preset.entries.values() for name in _VARIABLE.findall(text))


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def run(given: argparse.Namespace, is_installed: Callable[[str], bool] = _is_installed) -> int:
    """Write the files and print what to do next; the exit code. Nothing is overwritten, a `.gitignore` gets a line.

    Where the embedded store's server is installed, it is the store.
    """
    try:
        wanted = _wanted(given, _asker(given))
        files = _files(wanted, is_installed(BUNDLE))
        there = [name for name in files if os.path.lexists(given.config / name)]
        if taken := [str(given.config / name) for name in there if name not in _KEPT]:
            print(f"nothing was written: already there: {', '.join(taken)}; give another --config DIR", file=sys.stderr)
            return _NO
        written = {name: text for name, text in files.items() if name not in there}
        grown = [_GITIGNORE] if _GITIGNORE in there and _hide_env_file(given.config / _GITIGNORE) else []
        _write(given.config, written)
    except (_Unusable, EOFError) as error:
        print(str(error) or "no answer", file=sys.stderr)
        return _WRONG_USAGE
    except OSError as error:
        print(f"cannot write: {error}", file=sys.stderr)
        return _WRONG_USAGE
    print(f"wrote {', '.join(str(given.config / name) for name in written)}")
    for name in there:
        print(f"added {ENV_FILE} to {given.config / name}" if name in grown else f"kept {given.config / name}")
    print("\n".join(["", *_next(given.config, wanted, is_installed)]))
    return _WELL


def _asker(given: argparse.Namespace) -> Callable[[str, str], str]:
    """Return the function that answers a question: a person at the terminal, or the default. Raises _Unusable."""
    if given.yes:
        return lambda _question, default: default
    if not sys.stdin.isatty() and None in (given.provider, given.model):
        raise _Unusable("there is no terminal to ask at: give --provider and --model, or --yes for the defaults")
    return lambda question, default: input(f"{question} [{default}]: ").strip() or default


def _wanted(given: argparse.Namespace, ask: Callable[[str, str], str]) -> _Wanted:
    """Return the flags, and answers to what they leave open. Raises _Unusable."""
    provider = given.provider or ask(f"Provider ({', '.join(PRESETS)})", next(iter(PRESETS)))
    if provider not in PRESETS:
        raise _Unusable(unknown("provider", provider, PRESETS))
    model = (given.model or ask("Model", PRESETS[provider].model)).removeprefix(f"{provider}/")
    if not re.fullmatch(TARGET_PATTERN, f"{provider}/{model}"):
        raise _Unusable(
            f"{quoted(model)} is no model: write its name without spaces, such as {PRESETS[provider].model}"
        )
    if not re.fullmatch(NAME_PATTERN, given.agent):
        raise _Unusable(f"{quoted(given.agent)} is no agent's name: use 1 to 64 of A-Z a-z 0-9 . _ -, such as support")
    return _Wanted(provider, model, given.agent)


def _files(wanted: _Wanted, is_bundled: bool) -> Mapping[str, str]:
    preset = wanted.preset
    entry = f"{{region: {os.environ.get('AWS_REGION') or _A_REGION}}}" if preset.needs_region else "{}"
    comment = f"  # {' and '.join(wanted.variables)} in {ENV_FILE}, or in the environment" if wanted.variables else ""
    store = "embedded" if is_bundled else f"redis://127.0.0.1:6379/0  # or embedded, after {INSTALL_EMBEDDED}"
    keys = "".join(f"{'# ' if os.environ.get(name) else ''}{name}=\n" for name in wanted.variables)
    return {
        "gateway.yaml": _GATEWAY.format(store=store, provider=wanted.provider, entry=entry, comment=comment),
        "routing.yaml": _ROUTING.format(agent=wanted.agent, model=_quoted(wanted.model)),
        f"agents/{wanted.agent}/v1.yaml": _VERSION.format(target=_quoted(f"{wanted.provider}/{wanted.model}")),
        ENV_FILE: _ENV.format(keys=keys, token=secrets.token_urlsafe(24)),
        _GITIGNORE: f"{ENV_FILE}\n",
    }


def _quoted(text: str) -> str:
    """Return the text as YAML reads it."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _hide_env_file(path: Path) -> bool:
    """Append `.env` to a `.gitignore` that does not name it last; whether it was needed. Raises OSError."""
    text = path.read_bytes()
    mentions = [line.strip() for line in text.splitlines() if line.strip().lstrip(b"!/") == ENV_FILE.encode()]
    if mentions and not mentions[-1].startswith(b"!"):
        return False
    with path.open("ab") as file:
        file.write(b"\n" * (text[-1:] not in (b"", b"\n")) + f"{ENV_FILE}\n".encode())
    return True


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """Write each file, `.env` for its owner alone. Raises OSError, also for a file that came meanwhile."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = _PRIVATE if name == ENV_FILE else 0o666
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)


def _next(folder: Path, wanted: _Wanted, is_installed: Callable[[str], bool]) -> list[str]:
    missing = [name for name in wanted.variables if not os.environ.get(name)]
    signing = PROVIDERS[wanted.preset.api].facts.signing
    needs = [f"  pip install 'serinus[{signing.extra}]'"] if signing and not is_installed(signing.package) else []
    is_default = folder == default_folder(os.environ)
    body = json.dumps({"model": wanted.agent, "messages": [{"role": "user", "content": "Hello"}]})
    keys = [f"First write {' and '.join(missing)} into {folder / ENV_FILE}. Then:"] if missing else ["Next:"]
    return [
        *keys,
        "",
        *needs,
        *([] if is_default else [f"  export SERINUS_CONFIG={shlex.quote(str(folder))}"]),
        "  serinus doctor",
        "  serinus serve",
        f"  curl {USUAL_URL}/v1/chat/completions -d {shlex.quote(body)}",
    ]
