"""What `serinus check` says of models that end."""

from datetime import date
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.config import check
from gateway.replica.retirements import retired, retiring
from tests.gateway.config.folders import ENVIRON, FILES, GATEWAY, ROUTING, loaded, write

KEYED = GATEWAY + "keys:\n  app: {sha256: '" + "0" * 64 + "'}\n"
GPT_4O = {"agents/support/v1.yaml": "model: openai/gpt-4o\n"}
BEFORE, AFTER = date(2026, 11, 30), date(2027, 1, 14)


def test_a_model_that_ends_soon_is_a_warning(tmp_path: Path) -> None:
    """With the versions that use it, the days left and the source; the exit code stays 0."""
    deployment = loaded(tmp_path, GPT_4O)
    source = "https://developers.openai.com/api/docs/deprecations"
    sentence = f"support (v1, v2): openai/gpt-4o will be retired on 2027-01-14, in 45 days ({source})"
    assert list(retiring(deployment, BEFORE)) == [sentence] and list(retired(deployment, BEFORE)) == []
    code, report = check(tmp_path, ENVIRON, lambda found: retiring(found, BEFORE), lambda found: retired(found, BEFORE))
    assert code == 0 and report.endswith(f"\nwarning: {sentence}")


def test_a_model_that_has_ended_is_a_failure(tmp_path: Path) -> None:
    """Exit code 1: the files are well, and would be served."""
    write(tmp_path, {**FILES, **GPT_4O})
    code, report = check(tmp_path, ENVIRON, lambda found: retiring(found, AFTER), lambda found: retired(found, AFTER))
    assert code == 1
    assert "\nerror: support (v1, v2): openai/gpt-4o was retired on 2027-01-14 (" in report
    assert report.endswith("); name another model, or correct the date under `retirements` in gateway.yaml")


@pytest.mark.parametrize(
    ("routing", "who"),
    [
        ("agents:\n  support: {stable: v3, fallback: [openai/gpt-4o]}\n", "support (fallback)"),
        ("agents:\n  support: {stable: v3, shadow: {version: v1, sample: 1%}}\n", "support (v1)"),
        ("agents:\n  support: {stable: v3, rules: [{when: {caller: app}, use: v1}]}\n", "support (v1)"),
    ],
)
def test_every_way_to_a_model_counts(tmp_path: Path, routing: str, who: str) -> None:
    """A fallback, a shadow, a rule."""
    files = {
        "routing.yaml": routing,
        "agents/support/v3.yaml": "model: openai/gpt-9\n",
        "gateway.yaml": KEYED,
        **GPT_4O,
    }
    assert [line.partition(":")[0] for line in retired(loaded(tmp_path, files), AFTER)] == [who]


def test_an_old_version_that_only_a_pin_reaches_is_no_failure(tmp_path: Path) -> None:
    """Files of old versions may stay: a warning."""
    files = {"routing.yaml": "agents:\n  support: {stable: v3}\n", "agents/support/v3.yaml": "model: openai/gpt-9\n"}
    deployment = loaded(tmp_path, {**files, **GPT_4O})
    assert list(retired(deployment, AFTER)) == []
    [warning] = retiring(deployment, AFTER)
    assert warning.startswith("support (by pin alone: v1, v2): openai/gpt-4o was retired on 2027-01-14")


def test_a_judge_whose_model_ends_is_a_warning(tmp_path: Path) -> None:
    """Also once it has ended: calls go on, and are no longer judged."""
    judge = "{target: openai/gpt-4o, rubric: polite.md, sample: 1%, max_cost_per_day: 5}"
    files = {
        "routing.yaml": f"agents:\n  support: {{stable: v3, record_content: all, judge: {judge}}}\n",
        "agents/support/v3.yaml": "model: openai/gpt-9\n",
        "agents/support/v1.yaml": "model: openai/gpt-9\n",
        "agents/support/polite.md": "The answer is polite.",
    }
    deployment = loaded(tmp_path, files)
    for day, said in ((BEFORE, "will be retired"), (AFTER, "was retired")):
        [warning] = retiring(deployment, day)
        assert warning.startswith(f"support (judge): openai/gpt-4o {said} on 2027-01-14")
    assert list(retired(deployment, AFTER)) == []


def test_the_command_fails_and_the_configuration_may_correct_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`serinus check`: 1 for a model that has ended, 0 where `retirements` says that it stays."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    for on, code in (("2020-01-01", 1), ("never", 0)):
        retirements = f"retirements: [{{target: openai/gpt-4o, on: {on}}}]\n"
        write(tmp_path, {**FILES, **GPT_4O, "routing.yaml": ROUTING, "gateway.yaml": GATEWAY + retirements})
        assert main(["check", "--config", str(tmp_path)]) == code
        assert ("was retired on 2020-01-01 (gateway.yaml)" in capsys.readouterr().out) is bool(code)


def test_plain_models_that_end(tmp_path: Path) -> None:
    """One in `models` is a warning before and after: a client chooses it. Stars spell out nothing."""
    deployment = loaded(tmp_path, {"gateway.yaml": GATEWAY + "models: [openai/gpt-4o, openai/gpt-5*]\n"})
    [before], [after] = list(retiring(deployment, BEFORE)), list(retiring(deployment, AFTER))
    assert before.startswith("plain models (models): openai/gpt-4o will be retired on 2027-01-14, in 45 days")
    assert after.startswith("plain models (models): openai/gpt-4o was retired on 2027-01-14")
    assert list(retired(deployment, AFTER)) == []


def test_an_alias_to_a_model_that_ends(tmp_path: Path) -> None:
    """A warning before, and a failure after: the configuration chose it. An alias of an agent is no model's."""
    aliases = "aliases: {gpt-4: openai/gpt-4o, gpt-4o: support}\n"
    files = {"gateway.yaml": GATEWAY + "models: [openai/*]\n", "routing.yaml": ROUTING + aliases}
    deployment = loaded(tmp_path, files)
    [before], [after] = list(retiring(deployment, BEFORE)), list(retired(deployment, AFTER))
    assert before.startswith("plain models (alias gpt-4): openai/gpt-4o will be retired on 2027-01-14")
    assert after.startswith("plain models (alias gpt-4): openai/gpt-4o was retired on 2027-01-14")
    assert list(retired(deployment, BEFORE)) == list(retiring(deployment, AFTER)) == []
