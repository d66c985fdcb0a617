"""`serinus init`: files that load, nothing overwritten, and the next commands."""

import io
import os
import stat
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.init import run
from gateway.cli.main import main
from gateway.cli.operate import FoundToken, find_token
from gateway.config import AnyEnvironment, add_env_file, check, load
from gateway.config.presets import PRESETS
from gateway.replica.unusable_targets import unusable_targets
from routing.chain import HUMAN

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of this machine, and no name of a folder."""
    keep = {name: value for name, value in os.environ.items() if not name.endswith(("_KEY", "_REGION", "_CONFIG"))}
    monkeypatch.setattr(os, "environ", keep)


class Terminal(io.StringIO):
    """A person's answers, a line each."""

    def isatty(self) -> bool:
        return True


def files(folder: Path) -> Iterator[str]:
    return (str(path.relative_to(folder)) for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_makes_a_configuration_that_loads(tmp_path: Path, name: str, capsys: Capture) -> None:
    """Without a warning, without a canary, and without a promise of people."""
    assert main(["init", "--provider", name, "--yes", "--config", str(tmp_path)]) == 0
    assert list(files(tmp_path)) == [".env", ".gitignore", "agents/assistant/v1.yaml", "gateway.yaml", "routing.yaml"]
    deployment = load(tmp_path, AnyEnvironment())
    assert (deployment.warnings, list(unusable_targets(deployment))) == ((), [])
    (agent,) = deployment.agents.values()
    assert (agent.name, agent.canary, HUMAN in agent.fallback) == ("assistant", None, False)
    assert agent.versions["v1"].target.name == f"{name}/{PRESETS[name].model}"
    said = capsys.readouterr().out
    assert [line.split()[:2] for line in said.splitlines() if line.startswith("  ")] == [
        ["export", f"SERINUS_CONFIG={tmp_path}"], ["serinus", "doctor"], ["serinus", "serve"],
        ["curl", "http://127.0.0.1:8080/v1/chat/completions"],
    ]  # fmt: skip


def test_the_next_commands_are_for_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A folder with a space is one word, and operators' commands find its token; the usual folder needs no word."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERINUS_CONFIG", "")
    assert main(["init", "--provider", "ollama", "--yes", "--config", "my config"]) == 0
    assert "  export SERINUS_CONFIG='my config'\n  serinus doctor\n" in capsys.readouterr().out
    assert main(["init", "--provider", "ollama", "--yes"]) == 0
    assert "export" not in capsys.readouterr().out and (tmp_path / "config/gateway.yaml").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ".env\n"),
        ("*.log", "*.log\n.env\n"),
        ("/.env\n*.log\n", None),
        (".env\r\n", None),
        (".env\n!.env\n", ".env\n!.env\n.env\n"),
    ],
)
def test_an_existing_gitignore_gets_the_files_line(
    tmp_path: Path, before: str, after: str | None, capsys: Capture
) -> None:
    """Else the keys would be committed with the rest."""
    path = tmp_path / ".gitignore"
    path.write_bytes(before.encode())
    assert main(["init", "--provider", "ollama", "--yes", "--config", str(tmp_path)]) == 0
    assert path.read_bytes().decode() == (before if after is None else after)
    assert f"{'kept' if after is None else 'added .env to'} {path}\n" in capsys.readouterr().out


def test_the_key_goes_into_a_private_file(tmp_path: Path, capsys: Capture) -> None:
    """`.env` is its owner's and Git's not; with the key in it all is well."""
    assert main(["init", "--provider", "groq", "--yes", "--config", str(tmp_path)]) == 0
    assert "First write GROQ_API_KEY into" in capsys.readouterr().out
    path = tmp_path / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / ".gitignore").read_text() == ".env\n"
    path.write_text(path.read_text().replace("GROQ_API_KEY=", "GROQ_API_KEY=gsk-1"))
    environ: dict[str, str] = {}
    assert add_env_file(environ, tmp_path) == ()
    assert check(tmp_path, environ)[0] == 0
    assert len(environ["SERINUS_ADMIN_TOKEN"]) > 20


def test_questions_take_their_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Two of them: the provider, then its model."""
    monkeypatch.setattr(sys, "stdin", Terminal("mistral\n\n"))
    assert main(["init", "--agent", "support", "--config", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Provider (openai, anthropic, ") and "Model [mistral-small-latest]: " in said
    version = load(tmp_path, AnyEnvironment()).agents["support"].versions["v1"]
    assert version.target.name == "mistral/mistral-small-latest"


def test_nothing_is_overwritten(tmp_path: Path, capsys: Capture) -> None:
    """A second run writes nothing and names what is there; a `.env` that is there is kept."""
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-mine\n")
    arguments = ["init", "--provider", "openai", "--yes", "--config", str(tmp_path)]
    assert main(arguments) == 0
    assert f"kept {tmp_path}/.env" in capsys.readouterr().out
    assert (tmp_path / ".env").read_text() == "OPENAI_API_KEY=sk-mine\n"
    before = {name: (tmp_path / name).read_text() for name in files(tmp_path)}
    assert main([*arguments, "--agent", "other"]) == 1
    assert f"already there: {tmp_path}/gateway.yaml, {tmp_path}/routing.yaml;" in capsys.readouterr().err
    assert before == {name: (tmp_path / name).read_text() for name in files(tmp_path)}


def test_a_link_that_leads_nowhere_is_there_already(tmp_path: Path, capsys: Capture) -> None:
    """`.env` may lead to a secret that is mounted later: it is kept, and the other files are written."""
    (tmp_path / ".env").symlink_to("/run/secrets/later")
    assert main(["init", "--provider", "ollama", "--yes", "--config", str(tmp_path)]) == 0
    assert f"kept {tmp_path}/.env" in capsys.readouterr().out and (tmp_path / "routing.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--provider", "opnai"], "unknown provider 'opnai'; did you mean 'openai'? known: "),
        (["--model", "two words"], "'two words' is no model: write its name without spaces, such as gpt-"),
        (["--agent", "-x"], "'-x' is no agent's name"),
        (["--agent", "a/b"], "'a/b' is no agent's name"),
    ],
)
def test_what_makes_no_configuration_is_refused(
    tmp_path: Path, arguments: list[str], complaint: str, capsys: Capture
) -> None:
    """Before a file is written."""
    joined = [f"{arguments[0]}={arguments[1]}"]
    assert main(["init", "--yes", *joined, "--config", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(complaint)
    assert list(files(tmp_path)) == []


def test_without_a_terminal_it_asks_nobody(tmp_path: Path, capsys: Capture) -> None:
    """A script has to say what it wants."""
    assert main(["init", "--config", str(tmp_path)]) == 2
    assert "give --provider and --model, or --yes" in capsys.readouterr().err


def test_a_models_name_is_quoted_where_it_must_be(tmp_path: Path, capsys: Capture) -> None:
    """The name of a deployment may be anything without a space."""
    for number, model in enumerate(("yes#1", "openai/gpt-5.4-mini", "llama3.2:70b", "a:b:c", "{x}", "ollama/m")):
        folder = tmp_path / str(number)
        assert main(["init", "--provider", "ollama", "--model", model, "--config", str(folder)]) == 0
        version = load(folder, {}).agents["assistant"].versions["v1"]
        assert version.target.model == model.removeprefix("ollama/")
    capsys.readouterr()


def test_without_the_bundled_server_the_store_is_a_redis(tmp_path: Path, capsys: Capture) -> None:
    """Whoever did not install the embedded store has one of their own."""
    given = Namespace(provider="ollama", model="m", agent="a", yes=True, config=tmp_path)
    assert run(given, lambda _package: False) == 0
    assert load(tmp_path, {}).settings.store.get_secret_value() == "redis://127.0.0.1:6379/0"
    capsys.readouterr()


@pytest.mark.parametrize("is_installed", [True, False])
def test_what_a_provider_needs_installed_comes_first(tmp_path: Path, is_installed: bool, capsys: Capture) -> None:
    """Bedrock's requests are signed by a package that a plain installation leaves out."""
    given = Namespace(provider="bedrock", model="m", agent="a", yes=True, config=tmp_path)
    assert run(given, lambda _package: is_installed) == 0
    commands = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert (commands[0] == "  pip install 'serinus[bedrock]'") is not is_installed


def test_operators_on_this_machine_have_the_files_token(tmp_path: Path, capsys: Capture) -> None:
    """So that `rollout` works in the next terminal; a gateway elsewhere never gets it."""
    assert main(["init", "--provider", "ollama", "--yes", "--config", str(tmp_path)]) == 0
    environ: dict[str, str] = {}
    add_env_file(environ, tmp_path)
    here, nothing = {"SERINUS_CONFIG": str(tmp_path)}, FoundToken("")
    found = FoundToken(environ["SERINUS_ADMIN_TOKEN"])
    assert find_token("http://127.0.0.1:8080", here) == find_token("http://localhost:1", here) == found != nothing
    assert find_token("https://gateway.example", here) == find_token("http://[::1", here) == nothing
    assert find_token("http://127.0.0.1:8080", {**here, "SERINUS_ADMIN_TOKEN": "mine"}) == FoundToken("mine")
    capsys.readouterr()


def test_an_empty_variable_names_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """`SERINUS_CONFIG=""` is `config/` to whoever looks for the token, too."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--provider", "ollama", "--yes"]) == 0
    assert find_token("http://127.0.0.1:8080", {"SERINUS_CONFIG": ""}).token != ""
    capsys.readouterr()
