"""`serinus keys`: make and rotate callers' keys, and show who may call and what their limits have left."""

import argparse
import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from gateway.cli.client import CommandRefused, Misused, Operator
from gateway.cli.output import Style, TextRow, local_time, print_json, print_rows
from gateway.limits.limit_view import KeysView, KeyView, LimitView
from gateway.limits.limit_words import USED_UP, limit_in_words, soft_in_words, use_in_words
from gateway.terminal import columns_of, one_line, padded

_PREFIX: Final = "srn-"  # by which scanners of repositories may know it
_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PLAIN: Final = re.compile(r"(?!(?:true|false|null)$)[A-Za-z][A-Za-z0-9._-]*", re.IGNORECASE)  # without quotes in YAML
_MOST_KEYS: Final = 4  # of one caller, as the configuration allows
_LEVELS: Final = ("key", "group", "agent", "canary")


def run(operator: Operator, given: argparse.Namespace) -> int:
    """Run the verb; the exit code. Raises CommandRefused."""
    if given.name is None and given.verb in ("new", "rotate"):
        raise Misused(f"say whose key: 'keys {given.verb} NAME'")
    if given.verb == "new":
        return _make(given)
    if given.verb == "rotate":
        return _rotate(given)
    said = operator.ask_json("keys")
    view = operator.read(KeysView, said)
    if given.verb == "list":
        return _list(view, given)
    return _show_usage(view, given)


def _make(given: argparse.Namespace) -> int:
    name = given.name
    if not _NAME.fullmatch(name):
        raise Misused(f"{name!r} is no name of a caller: use 1 to 64 of A-Z a-z 0-9 . _ -, such as web-app")
    known = _configured(given.config)
    if name in known:
        raise CommandRefused(
            f"{given.config / 'gateway.yaml'} has a key {name!r} already: 'serinus keys rotate {name}'"
        )
    lines = _scope(given)
    key, sha256 = _new_key()
    yaml = "\n".join(["keys:", f"  {name}:", f'    sha256: "{sha256}"', *(f"    {line}" for line in lines), ""])
    if given.json:
        print_json({"name": name, "key": key, "sha256": sha256, "yaml": yaml})
        return 0
    _print_key(name, key)
    print(f"Add to gateway.yaml, which keeps its digest alone:\n\n{yaml}")
    if not known:
        print("It is the first key: once one is configured, every caller needs one, also on this machine.")
    print(
        f"It is accepted as soon as the file is saved. Limits: docs/limits.md. What it uses: serinus keys usage {name}"
    )
    return 0


def _scope(given: argparse.Namespace) -> list[str]:
    """Return the lines of YAML on whom the key is for. Raises Misused."""
    lines: list[str] = []
    if given.group is not None:
        lines.append(f"group: {_named(given.group, 'group')}")
    if given.agents is not None:
        names = [_named(each.strip(), "agents") for each in given.agents.split(",")]
        lines.append(f"agents: [{', '.join(names)}]")
    if given.expires is not None:
        lines.append(f"expires: {_day(given.expires)}")
    return lines


def _named(text: str, what: str) -> str:
    """Return the name as YAML reads it. Raises Misused."""
    if not _NAME.fullmatch(text):
        raise Misused(f"--{what} has {text!r}, which is no name: use 1 to 64 of A-Z a-z 0-9 . _ -")
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


def _day(text: str) -> str:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Misused(f"{text!r} is no day; write it as 2027-01-31") from None
    if day <= datetime.now(UTC).date():
        raise Misused(f"a key that expires on {text} is refused at once")
    return day.isoformat()


def _rotate(given: argparse.Namespace) -> int:
    known = _configured(given.config)
    if given.name not in known:
        names = ", ".join(known) or "none"
        raise CommandRefused(f"{given.config / 'gateway.yaml'} has no key {given.name!r}; known: {names}")
    old = known[given.name]
    if len(old) >= _MOST_KEYS:
        raise CommandRefused(f"{given.name} has {len(old)} keys, the most there may be: remove one that is not in use")
    key, sha256 = _new_key()
    lines = [f'      - "{sha256}"', *(f'      - "{digest}"  # remove it when it is out of use' for digest in old)]
    yaml = "\n".join(["keys:", f"  {given.name}:", "    sha256s:", *lines, ""])
    if given.json:
        print_json({"name": given.name, "key": key, "sha256": sha256, "old": old, "yaml": yaml})
        return 0
    _print_key(given.name, key)
    print(f"In gateway.yaml, in place of the caller's `sha256` or `sha256s`; all else of it stays:\n\n{yaml}")
    for step in _steps(given.name, old):
        print(step)
    return 0


def _steps(name: str, old: Sequence[str]) -> Iterator[str]:
    marks = " and ".join(digest[:12] for digest in old)
    yield "1. Save the file: from then on old and new key are accepted, under the same name and limits."
    yield f"2. Give the new key to whoever calls as {name}."
    yield f"3. When 'serinus keys list' shows that {marks} is no longer sent, remove its line. Then it is refused."


def _print_key(name: str, key: str) -> None:
    print(f"The key of {name}. It is shown this once, and kept nowhere:\n\n  {key}\n")


def _new_key() -> tuple[str, str]:
    """Return a key of 256 random bits, and its SHA-256."""
    key = _PREFIX + secrets.token_urlsafe(_BYTES)
    return key, hashlib.sha256(key.encode()).hexdigest()


def _configured(folder: Path) -> dict[str, list[str]]:
    """Return the digests of each caller as `gateway.yaml` has them; nothing where there is no such file.

    Raises CommandRefused where the file cannot be read. Secrets need not be set: nothing else of it is looked at.
    """
    from gateway.config.strict_yaml import read_yaml

    path = folder / "gateway.yaml"
    if not path.exists():
        return {}
    parsed = read_yaml(path, str(path))
    if parsed.root is None or parsed.problems:
        raise CommandRefused("\n".join(map(str, parsed.problems)) or f"{path} cannot be read")
    keys = parsed.root.get("keys")
    found: dict[str, list[str]] = {}
    for name, entry in (keys.entries if keys is not None else {}).items():
        one, several = entry.get("sha256"), entry.get("sha256s")
        nodes = [*([one] if one is not None else []), *(several.items if several is not None else ())]
        found[name] = [node.text for node in nodes if node.text is not None]
    return found


def _list(view: KeysView, given: argparse.Namespace) -> int:
    keys = [key for key in view.keys if given.name in (None, key.name)]
    if given.name is not None and not keys:
        raise CommandRefused(
            f"there is no key {given.name!r}; known: {', '.join(key.name for key in view.keys) or 'none'}"
        )
    if given.json:
        limits = {key.name: [asdict(each) for each in view.limits if _is_of(each, "key", key.name)] for key in keys}
        print_json([{**asdict(key), "limits": limits[key.name]} for key in keys])
        return 0
    rows = [row for key in keys for row in _rows_of_key(key, view)]
    print_rows(rows or [TextRow("no keys are configured: any program of the gateway's machine may call")])
    return 0


def _rows_of_key(key: KeyView, view: KeysView) -> Iterator[TextRow]:
    until = f", {'EXPIRED on' if key.is_expired else 'until'} {key.expires}" if key.expires else ""
    yield TextRow(
        one_line(f"{key.name} (group {key.group}): {_scope_in_words(key)}{until}"),
        "red" if until and key.is_expired else "bold",
    )
    for digest in key.digests:
        used = f"last sent {local_time(digest.last_used)}" if digest.last_used else "not sent yet"
        yield TextRow(f"  key {digest.sha256}…  {used}", "" if digest.last_used else "dim")
    limits = [limit_in_words(each) for each in view.limits if _is_of(each, "key", key.name)]
    yield TextRow(f"  limits: {'; '.join(limits)}" if limits else "  no limits of its own", "" if limits else "dim")


def _scope_in_words(key: KeyView) -> str:
    if key.agents is None and key.models is None:
        return "all agents and models"
    named = {"agents": key.agents, "models": key.models}
    parts = [f"{what} {', '.join(names)}" for what, names in named.items() if names]
    parts += [f"all {what}" for what, names in named.items() if names is None]
    return "; ".join(parts) or "nothing"


def _show_usage(view: KeysView, given: argparse.Namespace) -> int:
    limits = [each for each in view.limits if _is_shown(each, given.name, view.keys)]
    if given.name is not None and not limits:
        raise CommandRefused(_unknown(given.name, view))
    limits.sort(key=lambda each: (_LEVELS.index(each.level) if each.level in _LEVELS else len(_LEVELS), each.name))
    if given.json:
        print_json([asdict(each) for each in limits])
        return 0
    if not limits:
        print_rows([TextRow("no limits are configured: see docs/limits.md")])
        return 0
    print_rows(usage_rows(limits))
    return 0


def usage_rows(limits: Sequence[LimitView]) -> Iterator[TextRow]:
    """Yield each holder and its limits, for a terminal."""
    before: tuple[str, str] | None = None
    width = max(columns_of(limit_in_words(each)) for each in limits)
    for each in limits:
        if (each.level, each.name) != before:
            yield TextRow(one_line(f"{each.level} {each.name}"), "bold")
            before = each.level, each.name
        soft = soft_in_words(each)
        resets = (
            f", begins anew {local_time(each.resets_at)}"
            if each.resets_at
            else ", frees bit by bit"
            if each.window
            else ""
        )
        text = f"  {padded(limit_in_words(each), width)}  {use_in_words(each)}{resets}{f'  {soft}' if soft else ''}"
        yield TextRow(one_line(text), _style(soft))


def _style(soft: str) -> Style:
    return "red" if soft == USED_UP else "yellow" if soft else ""


def _is_shown(limit: LimitView, name: str | None, keys: Sequence[KeyView]) -> bool:
    """Return whether a limit is of that name, or of the group of the key of that name."""
    if name is None or limit.name == name:
        return True
    groups = {key.group for key in keys if key.name == name}
    return limit.level == "group" and limit.name in groups


def _is_of(limit: LimitView, level: str, name: str) -> bool:
    return (limit.level, limit.name) == (level, name)


def _unknown(name: str, view: KeysView) -> str:
    if any(key.name == name for key in view.keys):
        return f"key {name} has no limits, and its group has none: see docs/limits.md"
    names = dict.fromkeys(each.name for each in view.limits)
    return f"nothing of the name {name!r} has limits; known: {', '.join(names) or 'none'}"
