"""The shape of the code is law: every rule holds for the whole project, and each is shown to catch a breach."""

import ast

import pytest

from bench.structure import async_participles, leaning_first_lines, repeated_class_names
from tests import architecture
from tests.architecture import Module, of_sources

PROJECT = architecture.of_the_project()
TREES = {name: module.tree for name, module in PROJECT.items()}
ANYONE = {"pydantic", "pydantic_core", "orjson"}  # libraries of values, not of effects


def test_the_rules_see_the_whole_project() -> None:
    """All four packages are found on disk, with the modules inside them."""
    assert {"gateway", "routing", "policies", "evals", "gateway.errors", "routing.plan"} <= set(PROJECT)


def test_routing_and_policies_import_nothing_but_the_standard_library_and_pydantic() -> None:
    """The deciding packages depend on no framework, not on each other, and never on the gateway."""
    assert architecture.pure_imports(PROJECT) == []


@pytest.mark.parametrize("line", ["import yaml", "from policies import tally", "def f():\n    import gateway.calls"])
def test_a_forbidden_import_in_routing_is_caught(line: str) -> None:
    """A library, the sister package or the gateway in `routing` is a violation, also inside a function."""
    assert architecture.pure_imports(of_sources({"routing.plan": line}))


def test_routing_and_policies_touch_nothing_outside_themselves() -> None:
    """No clock, chance, environment, socket, file or log: time and randomness are handed in."""
    assert architecture.pure_effects(PROJECT) == []


@pytest.mark.parametrize(
    "line",
    ["import time", "import random", "from os import environ", "import logging", "import socket", "datetime.now()"],
)
def test_an_effect_in_policies_is_caught(line: str) -> None:
    """Reading the clock or the environment in `policies` is a violation."""
    assert architecture.pure_effects(of_sources({"policies.evidence.tally": line}))


def test_every_part_of_the_gateway_has_its_place() -> None:
    """A new room of the gateway is given its place before it is used."""
    assert architecture.placed(PROJECT) == []


def test_a_part_without_a_place_is_caught() -> None:
    """An unplaced module fails with the way out in the message."""
    assert "give it one" in architecture.placed(of_sources({"gateway.helpers": ""}))[0]


def test_imports_inside_the_gateway_run_downwards() -> None:
    """A lower room never knows a higher one."""
    assert architecture.downwards(PROJECT) == []


@pytest.mark.parametrize(
    "line",
    ["from gateway.replica.replica import app", "from gateway.call import proxy", "import gateway.api.generation"],
)
def test_an_import_upwards_is_caught(line: str) -> None:
    """`gateway.store` may know neither the app, nor the proxy, nor an endpoint, in whatever form it imports them."""
    modules = of_sources(
        {
            "gateway.store.keys": line,
            "gateway.call.proxy": "",
            "gateway.replica.replica": "",
            "gateway.api.generation": "",
        }
    )
    assert architecture.downwards(modules)


@pytest.mark.parametrize("line", ["from gateway.errors import StoreAway", "from gateway import __version__"])
def test_an_import_downwards_is_allowed(line: str) -> None:
    """Errors and the package's version are below everything."""
    assert architecture.downwards(of_sources({"gateway.store.keys": line, "gateway": "", "gateway.errors": ""})) == []


def test_an_import_for_type_checking_counts() -> None:
    """Knowing a higher room for its types only is still knowing it."""
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gateway.call.proxy import Proxy"
    assert architecture.downwards(of_sources({"gateway.rollout.recorder": source, "gateway.call.proxy": ""}))


@pytest.mark.parametrize(("name", "is_package"), [("gateway.store.keys", False), ("gateway.store", True)])
def test_a_relative_import_counts(name: str, is_package: bool) -> None:
    """`from ..call import handle` means the same in a module as in its package's `__init__`."""
    assert list(architecture.imports(Module(name, "from ..call import handle", is_package), {})) == ["gateway.call"]


def test_the_stand_in_provider_is_a_stranger() -> None:
    """It shares no code with the gateway it imitates an upstream for, and only the demo and command line start it."""
    assert architecture.standin_apart(PROJECT) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("gateway.rehearsal.standin", "from gateway.calls import Call"),
        ("gateway.call.proxy", "from gateway.rehearsal import standin"),
    ],
)
def test_a_familiar_stand_in_is_caught(name: str, line: str) -> None:
    """Neither may it use ours, nor may production code use it."""
    assert architecture.standin_apart(of_sources({"gateway.rehearsal.standin": "", name: line, "gateway.calls": ""}))


def test_the_evaluation_stands_apart() -> None:
    """No call passes through `evals`: the gateway does not know it, apart from its command line."""
    assert architecture.evals_apart(PROJECT) == []


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("gateway.call.proxy", "from evals.cases import Case"),
        ("policies.evidence.tally", "def f():\n    import evals.cases"),
        ("evals.cases", "from gateway.call import proxy"),
    ],
)
def test_an_evaluation_on_the_path_of_a_call_is_caught(name: str, line: str) -> None:
    """Neither may what serves calls import it, nor may it import what serves calls."""
    modules = of_sources({"evals.cases": "", "gateway.call.proxy": "", name: line})
    assert architecture.evals_apart(modules)


def test_there_is_no_import_cycle() -> None:
    """Every module can be understood after the ones it imports."""
    assert architecture.cycles(PROJECT) == []


def test_a_cycle_is_caught() -> None:
    """Two modules of one room that import each other are a cycle, even when one does so inside a function."""
    modules = of_sources(
        {"gateway.auth": "import gateway.audit", "gateway.audit": "def f():\n    from gateway import auth"}
    )
    assert "gateway.auth" in architecture.cycles(modules)[0]


def test_the_rooms_of_policies_form_no_circle() -> None:
    """Evidence is below guardrails, guardrails are below the rollout, and the simulation is above all."""
    assert architecture.room_cycles(PROJECT) == []


def test_a_circle_of_rooms_is_caught() -> None:
    """Two rooms that import each other, although no two modules do."""
    sources = {
        "policies.one.a": "from policies.two import b",
        "policies.two.b": "",
        "policies.two.c": "from policies.one import d",
        "policies.one.d": "",
    }
    assert architecture.cycles(of_sources(sources)) == []
    assert len(architecture.room_cycles(of_sources(sources))) == 1


def test_each_library_has_one_door() -> None:
    """A third-party package can be replaced by changing one place."""
    assert architecture.doors(PROJECT) == []


@pytest.mark.parametrize("package", sorted(set(architecture.DOORS) - ANYONE))
def test_a_library_outside_its_door_is_caught(package: str) -> None:
    """No library but those for values may be imported wherever one likes."""
    assert architecture.doors(of_sources({"gateway.call.proxy": f"import {package}"}))


def test_a_library_without_a_door_is_caught() -> None:
    """An undeclared package, or one hidden in import_module, fails until it is given a door."""
    assert architecture.doors(of_sources({"gateway.call.proxy": "import requests"}))
    assert architecture.doors(of_sources({"gateway.call.proxy": "importlib.import_module('redis.asyncio')"}))


def test_every_module_says_what_it_answers() -> None:
    """A module opens with a docstring."""
    assert architecture.documented(PROJECT) == []


def test_a_silent_module_is_caught() -> None:
    """A comment is no docstring."""
    assert architecture.documented(of_sources({"gateway.calls": "# calls\n"}))


def test_modules_are_short() -> None:
    """No module is longer than 350 lines."""
    assert architecture.short_modules(PROJECT) == []


def test_a_long_module_is_caught() -> None:
    """The 351st line is one too many."""
    assert architecture.short_modules(of_sources({"gateway.calls": "x = 1\n" * 351}))
    assert not architecture.short_modules(of_sources({"gateway.calls": "x = 1\n" * 350}))


def test_functions_are_short() -> None:
    """No function is longer than 50 lines."""
    assert architecture.short_functions(PROJECT) == []


def test_a_long_function_is_caught() -> None:
    """The 51st line is one too many, in a coroutine or a method too."""
    body = "async def f():\n" + "    x = 1\n" * 50
    assert architecture.short_functions(of_sources({"gateway.calls": body}))
    assert not architecture.short_functions(of_sources({"gateway.calls": "def f():\n" + "    x = 1\n" * 49}))


def test_middleware_is_plain_asgi() -> None:
    """Nothing uses Starlette's BaseHTTPMiddleware, which breaks streaming."""
    assert architecture.no_base_http_middleware(PROJECT) == []


@pytest.mark.parametrize(
    "use", ["class M(BaseHTTPMiddleware): ...", "from s import BaseHTTPMiddleware", "s.BaseHTTPMiddleware"]
)
def test_a_base_http_middleware_is_caught(use: str) -> None:
    """Importing it is enough."""
    assert architecture.no_base_http_middleware(of_sources({"gateway.replica.replica": use}))


def test_only_what_talks_to_a_person_prints() -> None:
    """Everything but the command line, the demo and the stand-in logs."""
    assert architecture.prints(PROJECT) == []


def test_a_print_is_caught() -> None:
    """`print` in the proxy is a violation, in the command line it is not."""
    assert architecture.prints(of_sources({"gateway.call.proxy": "print(1)", "gateway.cli.main": "print(1)"})) == [
        "gateway.call.proxy:1 prints"
    ]


def test_no_test_imports_another() -> None:
    """What several tests need stands in a module of its own."""
    assert architecture.tests_apart(architecture.of_the_project(["tests"])) == []


@pytest.mark.parametrize(
    "line", ["from tests.scenarios.test_wire import calls", "from tests.scenarios import test_wire"]
)
def test_an_import_out_of_a_test_is_caught(line: str) -> None:
    """Whichever way it is written."""
    sources = of_sources({"tests.routing.test_plan": line, "tests.scenarios.test_wire": ""})
    assert architecture.tests_apart(sources) == ["tests.routing.test_plan imports tests.scenarios.test_wire"]


def named_sample(source: str) -> dict[str, ast.Module]:
    """The tree of a project of one module."""
    return {"gateway.sample": ast.parse(source)}


def test_a_class_name_stands_once() -> None:
    """A traceback or a search that names a class names one place."""
    assert repeated_class_names(TREES) == []


def test_a_class_name_that_stands_twice_is_caught() -> None:
    """Also inside one module."""
    assert repeated_class_names(named_sample("class A: ...\ndef f():\n    class A: ...")) == ["A"]


def test_what_acts_is_no_participle() -> None:
    """An async function has an effect, and is named by a verb in the imperative, also in the benchmarks."""
    benchmarks = architecture.of_the_project(["bench"])
    assert async_participles(TREES | {name: module.tree for name, module in benchmarks.items()}) == []


@pytest.mark.parametrize("name", ["_sent", "_read_handed", "wait_until_closed", "_found"])
def test_a_participle_that_acts_is_caught(name: str) -> None:
    """Private or not; a private name by its last word, as its first one may be a verb."""
    expected = [] if name == "wait_until_closed" else [f"gateway.sample.{name}"]
    assert async_participles(named_sample(f"async def {name}(): ...")) == expected


def test_first_lines_stand_alone() -> None:
    """The docstring of a module, class or function begins with a verb in the imperative, or is a noun phrase."""
    assert leaning_first_lines(TREES) == []


@pytest.mark.parametrize(
    "line", ["Whether it has.", "What comes next.", "One of them.", "Raises OSError.", "All of it."]
)
def test_a_first_line_that_leans_is_caught(line: str) -> None:
    """It begins with a word that needs the name above it, or a subject."""
    assert leaning_first_lines(named_sample(f'def f():\n    """{line}"""')) == ["gateway.sample.f"]
    assert leaning_first_lines(named_sample(f'class A:\n    """{line}"""')) == ["gateway.sample.A"]
    assert leaning_first_lines(named_sample(f'"""{line}"""')) == ["gateway.sample"]


@pytest.mark.parametrize("line", ["Return whether it has.", "Send the answer.", "The answer's status.", "A new call."])
def test_a_first_line_that_stands_alone_passes(line: str) -> None:
    """Imperative, or a noun phrase."""
    assert leaning_first_lines(named_sample(f'def f():\n    """{line}"""')) == []


def test_no_test_replaces_a_name_of_ours() -> None:
    """Shorter times, smaller bounds and faults are handed in where a thing is built."""
    assert architecture.replaces_nothing(architecture.of_the_project(["tests"])) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("monkeypatch.setattr('gateway.call.proxy.LIMIT', 1)", 1),
        ("from gateway.call import proxy\npatch.setattr(proxy, 'LIMIT', 1)", 1),
        ("patch.setattr(replica.store, 'read', away)", 1),
        ("setattr(Store, 'read', away)", 1),
        ("import sys\nmonkeypatch.setattr(sys, 'executable', '/nowhere')", 0),
        ("monkeypatch.setattr('botocore.auth.get_current_datetime', clock)", 0),
    ],
)
def test_a_replaced_name_is_caught(text: str, count: int) -> None:
    """Of a module, a class or an object; what is not ours may be replaced."""
    assert len(architecture.replaces_nothing(of_sources({"tests.test_x": text}))) == count
