"""Figures on the shape of the code: `python -m bench.structure [CHECKOUT]` prints them as one JSON line.

A *room* is a folder right below `gateway`, `policies` or `evals`, a module that lies flat there, or `routing` as a
whole. An *arrow* goes from one room to another that it imports from. Words are judged by lists: close enough to
compare two checkouts, not to blame a single line.
"""

import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGES = ("gateway", "policies", "routing", "evals")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Participles that are not made with -ed. A function that waits for an effect is named by a verb in the imperative.
_PARTICIPLES = _words(
    "begun brought built done found given gone held kept known left lost made met put said seen sent settled spent "
    "taken thrown told written"
)
# First words of docstrings that need the function's name, or the sentence above, to be understood.
_LEANING = _words(
    "all and as at but by for from he her his how if in it its nobody not of on one only our out she so some such "
    "that their them then there these they this those to under until we what whatever when where whether which "
    "while who whoever whom whose why with without"
)


# Verbs of a third person, whose subject would be the function's name.
_THIRD_PERSON = _words(
    "asks calls closes does gives has holds is keeps lets makes puts raises reads returns says sends serves sets "
    "starts takes tells waits writes"
)


def modules_of(root: Path) -> dict[str, ast.Module]:
    """Return the syntax trees of a checkout's modules by their dotted names."""
    return {_dotted(root, path): ast.parse(path.read_text("utf-8")) for path in _files(root)}


def repeated_class_names(modules: Mapping[str, ast.Module]) -> list[str]:
    """Return the class names that stand in more than one place."""
    names = Counter(node.name for tree in modules.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    return sorted(name for name, count in names.items() if count > 1)


def async_participles(modules: Mapping[str, ast.Module]) -> list[str]:
    """Return the async functions that are named by a participle, as `module.function`."""
    return [
        f"{name}.{node.name}"
        for name, node in _functions(modules)
        if isinstance(node, ast.AsyncFunctionDef) and _is_participle(node.name)
    ]


def leaning_first_lines(modules: Mapping[str, ast.Module]) -> list[str]:
    """Return the modules, classes and functions whose docstring's first line does not stand alone, by their names."""
    return [name for name, docstring in _docstrings(modules) if _leans(docstring)]


def figures(root: Path) -> dict[str, int]:
    """Return the figures of a checkout by their names."""
    modules = modules_of(root)
    arrows = {
        (_room(name), _room(target))
        for name, tree in modules.items()
        for target in _imports(tree)
        if _room(name) != _room(target)
    }
    return {
        "modules": len(modules),
        "modules_flat_in_gateway": sum(_is_flat(name, root) for name in modules),
        "rooms": len({_room(name) for name in modules}),
        "arrows_between_rooms": len(arrows),
        "class_names_that_stand_twice": len(repeated_class_names(modules)),
        "async_participles": len(async_participles(modules)),
        "docstrings": sum(1 for _ in _docstrings(modules)),
        "first_lines_that_lean": len(leaning_first_lines(modules)),
    }


def _functions(modules: Mapping[str, ast.Module]) -> Iterator[tuple[str, Function]]:
    return ((name, node) for name, tree in modules.items() for node in ast.walk(tree) if isinstance(node, Function))


def _docstrings(modules: Mapping[str, ast.Module]) -> Iterator[tuple[str, str]]:
    for name, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | Function) and (docstring := ast.get_docstring(node)):
                yield name if isinstance(node, ast.Module) else f"{name}.{node.name}", docstring


def _files(root: Path) -> Iterator[Path]:
    return (path for package in PACKAGES for path in sorted((root / package).rglob("*.py")))


def _dotted(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] in PACKAGES)


def _room(name: str) -> str:
    parts = name.split(".")
    return "routing" if parts[0] == "routing" else ".".join(parts[:2])


def _is_flat(name: str, root: Path) -> bool:
    parts = name.split(".")
    return parts[0] == "gateway" and len(parts) == 2 and (root / "gateway" / f"{parts[1]}.py").is_file()


def _is_participle(name: str) -> bool:
    last = name.strip("_").split("_")[-1] if name.startswith("_") else name.split("_")[0]
    return last in _PARTICIPLES or (last.endswith("ed") and last not in ("embed", "feed", "need"))


def _leans(docstring: str) -> bool:
    first = docstring.split(maxsplit=1)[:1]
    return bool(first) and first[0].strip("`,.:;").lower() in _LEANING | _THIRD_PERSON


if __name__ == "__main__":
    print(json.dumps(figures(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent)))
