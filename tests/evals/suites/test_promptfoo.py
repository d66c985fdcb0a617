"""Suites of promptfoo: variables, defaults, judges, ids, and bounds on all that multiplies."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from evals.cases import CheckSpec, Problem, Suite, SuiteError
from evals.suites import read_suite
from evals.suites.values import MAX_CASES


def suite(folder: Path, config: dict[str, Any], **files: str) -> Suite:
    """Return the suite of a configuration beside some files."""
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    path = folder / "promptfooconfig.yaml"
    path.write_text(yaml.safe_dump({"prompts": ["{{q}}"], "providers": ["echo"], **config}, sort_keys=False))
    return read_suite(path)


def refused(folder: Path, config: dict[str, Any], **files: str) -> str:
    """Return why the configuration is refused."""
    with pytest.raises(SuiteError) as error:
        suite(folder, config, **files)
    return str(error.value)


def asks(found: Suite) -> list[object]:
    """Return what each case asks."""
    return [case.messages[-1]["content"] for case in found.cases]


def test_a_variable_may_name_another(tmp_path: Path) -> None:
    """Through a few steps; what names no variable stays as it is, whatever its braces hold."""
    variables = {"q": "{{a}} {{ b }} {{a}}", "a": "{{c}}!", "c": "x", "b": "{{nobody}} {{ c | upper }}"}
    assert asks(suite(tmp_path, {"tests": [{"vars": variables}]})) == ["x! {{nobody}} {{ c | upper }} {{a}}"]
    whole = {"q": "{{a}}{{a}}{{a}}{{a}}{{a}}{{a}}{{ b.c }}", "a": "x", "b": {"c": "{{a}}"}}
    assert asks(suite(tmp_path, {"tests": [{"vars": whole}]})) == ["xxxxxx{{a}}"]


@pytest.mark.parametrize(
    "value", ["{{ a | upper }}", "{{ (a | load).x }}", "{% if a %}{{a}}{% endif %}", "{{ a + 1 }}"]
)
def test_a_variable_that_is_more_than_names_is_refused(tmp_path: Path, value: str) -> None:
    """Where promptfoo would run it: a name that nobody has makes it plain text."""
    assert (
        "not supported" in (found := refused(tmp_path, {"tests": [{"vars": {"q": value, "a": "x"}}]}))
        or "more than" in found
    )
    assert asks(suite(tmp_path, {"tests": [{"vars": {"q": f"{value} {{{{nobody}}}}"}}]}))


def test_variables_that_name_each_other_end(tmp_path: Path) -> None:
    """A circle is followed a few times; one that grows is refused."""
    assert suite(tmp_path, {"tests": [{"vars": {"q": "{{a}}", "a": "{{q}}"}}]}).cases
    growing = {"q": "{{q}}" * 100, "a": "x"}
    assert "longer than" in refused(tmp_path, {"tests": [{"vars": growing}]})


def test_lists_multiply_unless_they_are_values(tmp_path: Path) -> None:
    """A list that begins with text is many values; another is one, as are all where expansion is off."""
    assert asks(suite(tmp_path, {"tests": [{"vars": {"q": ["a", "b"], "n": [1, 2]}}]})) == ["a", "b"]
    off = {"vars": {"q": ["a", "b"]}, "options": {"disableVarExpansion": True}}
    assert asks(suite(tmp_path, {"tests": [off]})) == ["a,b"]


def test_files_are_values(tmp_path: Path) -> None:
    """Text without the white space around it, YAML as JSON, and JSON as it is."""
    config = {
        "prompts": ["{{q}} {{y}} {{j}}"],
        "tests": [{"vars": {"q": "file://a.txt", "y": "file://b.yaml", "j": "file://c.json"}}],
    }
    found = suite(tmp_path, config, a__txt="\n hi \n", b__yaml="x: [1]\n", c__json='{"z": 2}\n')
    assert asks(found) == ['hi {"x":[1]} {"z": 2}']


def test_defaults_are_taken_in(tmp_path: Path) -> None:
    """Mappings entry by entry, assertions before those of the test, and a threshold unless it has one."""
    default = {
        "vars": {"q": "default", "x": "kept"},
        "assert": [{"type": "contains", "value": "{{x}}"}],
        "threshold": 0.5,
        "metadata": {"a": 1},
        "options": {"prefix": "> "},
    }
    tests = [
        {"vars": {"q": "own"}, "assert": [{"type": "is-json"}], "metadata": {"b": 2}},
        {"threshold": 0, "vars": {}},
    ]
    first, second = suite(tmp_path, {"defaultTest": default, "tests": tests}).cases
    assert first.messages[0]["content"] == "> own"
    assert [check.type for check in first.checks] == ["contains", "is-json"]
    assert (first.checks[0].value, first.threshold, first.metadata) == ("kept", 0.5, {"a": 1, "b": 2})
    assert (second.threshold, second.inputs["q"]) == (0, "default")


def test_default_assertions_can_be_left_out(tmp_path: Path) -> None:
    """By an option of the test."""
    default = {"assert": [{"type": "is-json"}]}
    test = {
        "vars": {"q": "a"},
        "options": {"disableDefaultAsserts": True},
        "assert": [{"type": "cost", "threshold": 1}],
    }
    found = suite(tmp_path, {"defaultTest": default, "tests": [test]})
    assert [check.type for check in found.cases[0].checks] == ["cost"]


def test_defaults_may_stand_in_a_file(tmp_path: Path) -> None:
    """Named with `file://`."""
    found = suite(
        tmp_path,
        {"defaultTest": "file://d.yaml", "tests": [{"vars": {"q": "a"}}]},
        d__yaml="assert: [{type: is-json}]\n",
    )
    assert found.cases[0].checks[0].place.file.endswith("d.yaml")


@pytest.mark.parametrize(
    ("provider", "target"),
    [
        ("openai:gpt-5.2", "openai/gpt-5.2"),
        ("openai:chat:ft:gpt:x", "openai/ft:gpt:x"),
        ("anthropic:messages:claude-sonnet-5", "anthropic/claude-sonnet-5"),
        ({"id": "openai:responses:gpt-5", "config": {"temperature": 0}}, "openai/gpt-5"),
        ("bedrock:us.anthropic.claude-v1:0", "bedrock/us.anthropic.claude-v1:0"),
    ],
)
def test_a_judge_is_a_target(tmp_path: Path, provider: object, target: str) -> None:
    """Written as promptfoo writes it; what stands between provider and model is the provider's matter."""
    check = {"type": "llm-rubric", "value": "kind", "provider": provider}
    assert suite(tmp_path, {"tests": [{"vars": {"q": "a"}, "assert": [check]}]}).cases[0].checks[0].target == target


def test_the_terms_of_a_case_come_from_metadata(tmp_path: Path) -> None:
    """Also out of a table, where they are text."""
    table = 'q,__metadata:critical,__metadata:max_turns,__metadata:tool_results\na,TRUE,3,"{""t"": [1]}"\n'
    case = suite(tmp_path, {"tests": "file://t.csv"}, t__csv=table).cases[0]
    assert (case.critical, case.max_turns, case.tool_results, case.metadata) == (True, 3, {"t": [1]}, {})


@pytest.mark.parametrize(
    ("key", "value"), [("critical", "maybe"), ("max_turns", 0), ("max_turns", True), ("tool_results", 5)]
)
def test_wrong_terms_are_refused(tmp_path: Path, key: str, value: object) -> None:
    """With the name of the key."""
    assert f"`{key}` must be" in refused(tmp_path, {"tests": [{"vars": {"q": "a"}, "metadata": {key: value}}]})


def test_an_id_stays_when_a_check_changes(tmp_path: Path) -> None:
    """It is a digest of what is asked: answers that are kept by it are used again."""
    first = suite(tmp_path, {"tests": [{"vars": {"q": "a"}}, {"vars": {"q": "b"}}]})
    second = suite(tmp_path, {"tests": [{"vars": {"q": "b"}, "assert": [{"type": "is-json"}]}, {"vars": {"q": "a"}}]})
    assert [case.id for case in first.cases] == [case.id for case in second.cases][::-1]
    assert first.sha256 != second.sha256


def test_what_is_asked_again_has_an_id_of_its_own(tmp_path: Path) -> None:
    """In the order of the file, also a great many times."""
    found = suite(tmp_path, {"tests": [{"vars": {"q": "a"}}] * 2_000})
    digest = found.cases[0].id
    assert [case.id for case in found.cases][1::1000] == [f"{digest}-2", f"{digest}-1002"]


def test_checks_are_examined_before_anything_runs(tmp_path: Path) -> None:
    """By whoever knows them; a set comes with its children."""
    config = {"prompts": ["x"], "tests": [{"assert": [{"type": "assert-set", "assert": [{"type": "no-such"}]}]}]}
    suite(tmp_path, config)

    def problems(check: CheckSpec) -> list[Problem]:
        return [child.place.problem(f"nobody knows {child.type}") for child in check.children]

    with pytest.raises(SuiteError, match="nobody knows no-such"):
        read_suite(tmp_path / "promptfooconfig.yaml", problems)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"tests": [{"vars": {c: [str(n) for n in range(60)] for c in "abcq"}}]}, "make 12,960,000 cases"),
        ({"tests": [{"vars": {"q": [str(n) for n in range(2_001)]}}], "prompts": ["{{q}}"] * 10}, "make 20,010 cases"),
        ({"prompts": ["{{q}}"] * 1_001, "tests": [{"vars": {"q": "a"}}]}, "at most 1,000 prompts"),
        ({"tests": [{"vars": {"q": "a"}}] * (MAX_CASES + 1)}, "more than 20,000"),
        ({"tests": [{"vars": {"q": "a"}, "assert": [{"type": "is-json"}] * 1_001}]}, "at most 1,000 checks"),
        (
            {"scenarios": [{"config": [{"vars": {"q": "a"}}] * 200, "tests": [{"vars": {}}] * 200}]},
            "more than 20,000 cases",
        ),
    ],
)
def test_what_multiplies_is_bounded(tmp_path: Path, config: dict[str, Any], words: str) -> None:
    """Before it is made: ten small lists stand for a milliard cases."""
    assert words in refused(tmp_path, config)


def test_texts_that_multiply_are_bounded(tmp_path: Path) -> None:
    """One long value in many places, one long prompt in many cases, one long value in many checks."""
    long = {"vars": {"q": "file://long.txt"}}
    chat = yaml.safe_dump([{"role": "user", "content": "{{q}}"}] * 20)
    assert "together when they are filled" in refused(
        tmp_path, {"prompts": ["file://p.yaml"], "tests": [long]}, long__txt="x" * 1_000_000, p__yaml=chat
    )
    many = {"vars": {"n": [str(n) for n in range(400)], **long["vars"]}}
    assert "together; split the suite" in refused(tmp_path, {"prompts": ["{{q}}{{n}}"], "tests": [many]})
    checks = [{"type": "contains", "value": "{{q}}"}] * 20
    assert "characters together" in refused(tmp_path, {"tests": [{**long, "assert": checks}]})


def test_files_that_name_each_other_end(tmp_path: Path) -> None:
    """A file of tests that names itself is refused, as is one that is named again and again."""
    assert "through more than 4 levels" in refused(tmp_path, {"tests": "file://t.yaml"}, t__yaml="- file://t.yaml\n")
    again = yaml.safe_dump(["file://e.yaml"] * 1_900)
    found = refused(tmp_path, {"tests": ["file://m.yaml"] * 2}, m__yaml=again, e__yaml="[]\n")
    assert "names files of tests more than 2,000 times" in found


def test_references_that_lead_in_a_circle_end(tmp_path: Path) -> None:
    """Each to the other."""
    config = {
        "tests": [{"vars": {"q": "a"}, "assert": [{"$ref": "#/assertionTemplates/a"}]}],
        "assertionTemplates": {"a": {"$ref": "#/assertionTemplates/b"}, "b": {"$ref": "#/assertionTemplates/a"}},
    }
    assert "leads to another more than 16 times" in refused(tmp_path, config)
    config["tests"][0]["assert"] = [{"$ref": "other.yaml#/a"}, {"$ref": "#/nowhere"}]  # type: ignore[index]
    assert refused(tmp_path, config).count("`$ref`") == 2


def test_a_prompt_that_is_no_json_once_it_is_filled_says_so(tmp_path: Path) -> None:
    """A quote in a value breaks JSON that puts it between quotes by hand."""
    prompt = '[{"role": "user", "content": "{{ q }}"}, {{ more }}]'
    found = refused(tmp_path, {"prompts": [prompt], "tests": [{"vars": {"q": 'say "x"', "more": ""}}]})
    assert "the prompt is no JSON once it is filled" in found
    assert asks(suite(tmp_path, {"prompts": ["[1] is a list: {{q}}"], "tests": [{"vars": {"q": "a"}}]})) == [
        "[1] is a list: a"
    ]


def test_a_prompt_that_is_yaml_once_it_is_filled_has_messages(tmp_path: Path) -> None:
    """As promptfoo reads it."""
    prompt = "- role: system\n  content: Be {{mood}}\n- role: user\n  content: {{q | dump}}\n"
    case = suite(tmp_path, {"prompts": [prompt], "tests": [{"vars": {"q": "a: b", "mood": "kind"}}]}).cases[0]
    assert [message["content"] for message in case.messages] == ["Be kind", "a: b"]


@pytest.mark.parametrize(
    "options",
    [{"repeat": 0}, {"repeat": 1.5}, {"maxConcurrency": "4"}, {"delay": -1}, {"delay": 10**9}, {"nosuch": 1}, [1]],
)
def test_wrong_run_options_are_refused(tmp_path: Path, options: object) -> None:
    """Whole numbers within bounds, and a delay in milliseconds."""
    assert "promptfooconfig.yaml:" in refused(tmp_path, {"evaluateOptions": options, "tests": [{"vars": {"q": "a"}}]})
