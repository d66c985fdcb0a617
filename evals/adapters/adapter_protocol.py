"""The protocol of an evaluator for scripts with other people's packages: lines of JSON, quiet, and no other socket.

It stands beside the adapters and imports the standard library alone, for their environments have no Serinus.
"""

import importlib
import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

Item = dict[str, Any]
Score = dict[str, Any]
JUDGE = "gpt-4.1"  # a name that the packages know as able to answer by a schema; the door asks the suite's judge
EMBEDDER = "text-embedding-3-small"
_CONNECTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")
_LOCAL = (None, "", "localhost", "127.0.0.1", "::1")


class NotScored(Exception):
    """The item cannot be scored: the suite does not say enough, or the package failed."""


def serve(begin: Callable[[], Callable[[Item], Score]]) -> None:
    """Score each line of the standard input. `begin` imports the package, once all is quiet and guarded."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what packages print is no answer
    os.chdir(tempfile.mkdtemp(prefix="serinus-evaluator-"))  # they leave files where they run
    os.environ["HOME"] = os.getcwd()
    guard_sockets(os.environ.get("OPENAI_BASE_URL", ""))
    score = begin()
    for line in sys.stdin:
        item = json.loads(line)
        answers.write(json.dumps({"id": item["id"], **_scored(score, item)}) + "\n")
        answers.flush()


def guard_sockets(door: str) -> None:
    """Let this process connect to the door of the judges and to nothing else, for good."""
    place = urlsplit(door)
    allowed = (place.hostname, place.port)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in _CONNECTS:
            return
        address = arguments[1] if event == "socket.connect" else arguments[:2]
        if isinstance(address, str | bytes):  # a socket of this machine, such as a resolver's
            raise PermissionError(f"{event}: an adapter asks the door of its judges alone")
        host, port = address[0], address[1] if len(address) > 1 else None
        if event != "socket.connect" and host in _LOCAL:
            return
        if (host, int(port or 0)) != allowed:
            raise PermissionError(f"{event} of {host!r}: an adapter asks the door of its judges alone")

    sys.addaudithook(watch)


def metric_class(package: str, names: Mapping[str, str], item: Item) -> Any:
    """Return the class of the item's metric: by the names of the adapter, else as the package calls it."""
    module = importlib.import_module(package)
    written = item.get("metric")
    if not written:
        raise NotScored(f"no metric is named; {package} has {', '.join(sorted(names))} and others")
    found = getattr(module, names.get(_plain(written), written), None)
    if found is None or isinstance(found, ModuleType) or written.startswith("_"):
        raise NotScored(f"{package} has no metric {written!r}; known: {', '.join(sorted(names))}, and its classes")
    return found


def needed(item: Item, name: str, meaning: str) -> Any:
    """Return a part of the item. Raises NotScored where the suite does not have it."""
    if not item.get(name):
        raise NotScored(f"the metric {item.get('metric')} needs {meaning}")
    return item[name]


def _plain(name: str) -> str:
    """Return a metric's name as the adapters write it: `Answer Relevancy` and `answer-relevancy` are one."""
    return re.sub(r"[\s-]+", "_", name.strip()).lower()


def _scored(score: Callable[[Item], Score], item: Item) -> Score:
    try:
        found = score(item)
    except NotScored as error:
        return {"error": str(error)}
    except Exception as error:  # whatever a package raises: the item is undecided
        return {"error": f"{type(error).__name__}: {error}"}
    value = found.get("score")
    if value is None or math.isnan(value):
        return {"error": f"the metric {item.get('metric')} found nothing to score"}
    return found
