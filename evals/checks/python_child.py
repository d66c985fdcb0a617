"""The process in which a suite's Python runs: one call of one function, with its result as JSON.

It is started as a script and imports nothing of the project. The request comes as JSON on the standard input. The
result goes out on what was the standard output; whatever the code prints goes to the standard error.
"""

import asyncio
import contextlib
import importlib.util
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

Function = Callable[[Any, Any], Any]


def main() -> None:
    result = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="surrogatepass")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    limit(request["memory_bytes"], request["seconds"])
    try:
        function = load(request["source"], request["path"], request["function"])
        value = function(request["output"], request["context"])
        if inspect.isawaitable(value):
            value = asyncio.run(finish(value))
        answer = json.dumps({"value": value})
    except BaseException as error:
        answer = json.dumps(
            {"error": f"{type(error).__name__}: {error}"[:2000], "memory": isinstance(error, MemoryError)}
        )
    result.write(answer)
    result.flush()
    os._exit(0)  # neither threads nor exit handlers of the code keep the process


def limit(memory_bytes: int, seconds: float) -> None:
    """Bound the memory and the CPU time, where the system can; a core would be a copy of all of it."""
    import resource

    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, int(seconds) + 1),
    ):
        with contextlib.suppress(ValueError, OSError):  # macOS bounds no address space
            resource.setrlimit(kind, (most, most))


def load(source: str | None, path: str | None, name: str) -> Function:
    """Return the function: of a file, or made of an expression or of lines that return something."""
    names: dict[str, Any] = {"json": json}
    if path is not None:
        sys.path.insert(0, os.path.dirname(path))
        spec = importlib.util.spec_from_file_location("suite_code", path)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot load {path}")
        module = importlib.util.module_from_spec(spec)
        sys.modules["suite_code"] = module
        spec.loader.exec_module(module)
        names = vars(module)
    else:
        exec(compile(source or "", "<assert>", "exec"), names)  # noqa: S102 - the code of whoever runs the suite
    function: Function = names[name]
    return function


async def finish(value: Any) -> Any:
    return await value


if __name__ == "__main__":
    main()
