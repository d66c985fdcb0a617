"""`serinus keys new` and `rotate`: a key that is shown once, and YAML that the configuration takes."""

import hashlib
import json
from pathlib import Path

import pytest

from gateway.cli.keys import usage_rows
from gateway.cli.main import main
from gateway.config import load
from gateway.limits.limit_view import LimitView
from tests.gateway.config.folders import ENVIRON, FILES, GATEWAY, write

OLD = "ab" * 32


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, str]:
    """What a command says as JSON."""
    assert main(["keys", *arguments, "--json"]) == 0
    found: dict[str, str] = json.loads(capsys.readouterr().out)
    return found


def test_a_new_key_is_what_the_yaml_lets_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The YAML has its digest and scope, the key 256 random bits, and no file is touched."""
    folder = write(tmp_path, {**FILES, "gateway.yaml": GATEWAY})
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    given = ("--group", "null", "--agents", "support", "--expires", "2999-12-31", "--config", str(folder))
    made = said(capsys, "new", "web-app", *given)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert made["key"].startswith("srn-") and len(made["key"]) >= 47 and made["key"] not in made["yaml"]
    write(tmp_path, {**FILES, "gateway.yaml": GATEWAY + made["yaml"]})
    key = load(folder, ENVIRON).settings.keys["web-app"]
    assert key.digests == (hashlib.sha256(made["key"].encode()).hexdigest(),)
    assert (key.group, key.agents, str(key.expires)) == ("null", ("support",), "2999-12-31")


def test_each_key_is_another_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also of the same name, in a folder without files."""
    assert len({said(capsys, "new", "a", "--config", str(tmp_path))["key"] for _ in range(3)}) == 3


def test_a_new_key_is_shown_to_people_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what its being the first one means."""
    assert main(["keys", "new", "web-app", "--config", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("srn-") == 1 and "every caller needs one" in out and 'sha256: "' in out


def test_rotation_keeps_the_old_key_beside_the_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both digests are the caller's, the new one first; secrets of the file need not be set."""
    folder = write(tmp_path, {**FILES, "gateway.yaml": f"{GATEWAY}keys: {{app: {{sha256: '{OLD}'}}}}\n"})
    made = said(capsys, "rotate", "app", "--config", str(folder))
    write(tmp_path, {**FILES, "gateway.yaml": GATEWAY + made["yaml"]})
    digests = load(folder, ENVIRON).settings.keys["app"].digests
    assert digests == (hashlib.sha256(made["key"].encode()).hexdigest(), OLD)
    assert main(["keys", "rotate", "app", "--config", str(folder)]) == 0
    assert f"{OLD[:12]}" in capsys.readouterr().out


FOUR = ", ".join(f"'{digit * 64}'" for digit in "1234")


@pytest.mark.parametrize(
    ("keys", "arguments", "code", "words"),
    [
        ("{}", ["rotate", "app"], 1, "has no key 'app'; known: none"),
        (f"{{app: {{sha256s: [{FOUR}]}}}}", ["rotate", "app"], 1, "app has 4 keys, the most there may be"),
        (f"{{app: {{sha256: '{OLD}'}}}}", ["new", "app"], 1, "'serinus keys rotate app'"),
        ("{app: 1, app: 2}", ["rotate", "app"], 1, "app"),
        ("{}", ["new", "a b"], 2, "no name of a caller"),
        ("{}", ["new", "a", "--agents", "x,/"], 2, "--agents has '/'"),
        ("{}", ["new", "a", "--expires", "soon"], 2, "write it as 2027-01-31"),
        ("{}", ["new", "a", "--expires", "2020-01-01"], 2, "is refused at once"),
        ("{}", ["new"], 2, "keys new NAME"),
    ],
)
def test_what_cannot_be_made_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: str, arguments: list[str], code: int, words: str
) -> None:
    """With the exit code for it, and no key."""
    folder = write(tmp_path, {**FILES, "gateway.yaml": f"{GATEWAY}keys: {keys}\n"})
    assert main(["keys", *arguments, "--config", str(folder)]) == code
    shown = capsys.readouterr()
    assert words in shown.err and not shown.out


def test_usage_is_a_line_for_each_limit() -> None:
    """What is allowed, used and left, when it begins anew, and whether the soft share is reached."""
    day = LimitView("key", "app", "usd", "day", 20.0, 18.2, 1.8, "2999-01-01T00:00:00Z", 0.8, True)
    minute = LimitView("key", "app", "requests", "1m", 600, 600, 0, None)
    flying = LimitView("agent", "support", "in_flight", None, 50, 3, 47, None)
    rows = list(usage_rows([day, minute, flying]))
    assert [row.text for row in rows if row.style == "bold"] == ["key app", "agent support"]
    said = "$20.00 in a day 91 % used, $1.80 left, begins anew 2999-01-01 00:00:00 beyond soft 80 %"
    assert rows[1].style == "yellow" and " ".join(rows[1].text.split()) == said
    assert rows[2].style == "red" and rows[2].text.endswith("100 % used, 0 left, frees bit by bit  used up")
    assert rows[4].text.split("  ")[-1] == "6.0 % used, 47 left"
