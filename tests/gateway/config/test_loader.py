import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config import ConfigProblems, Problem, load
from tests.gateway.config.folders import ENVIRON, FILES, ROUTING, V1, loaded, problems, write
from tests.support.call_count import CallCount

WORDS = st.sampled_from(
    [
        "openai",
        "human",
        "v1",
        "v2",
        "v3",
        "openai/x",
        "5%",
        "30s",
        "${X}",
        "header:x",
        "support",
        "file",
        "name",
        "tools",
        "agents",
        "providers",
        "api",
        "listen",
        "store",
        "keys",
        "prices",
        "target",
        "from",
        "stable",
        "canary",
        "weight",
        "steps",
        "hold",
        "signals",
        "error_rate <= 5%",
        "notify",
        "url",
        "on",
        "rules",
        "when",
        "use",
        "fallback",
        "guardrails",
        "extends",
        "model",
        "extra",
        "system_prompt",
        "retries",
        "base",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(FILES)), VALUES, min_size=1, max_size=4))
def test_whatever_the_files_say_it_is_a_deployment_or_problems(tmp_path: Path, files: dict[str, object]) -> None:
    """No shape of any file leads to anything else, so a reload can never end the gateway."""
    write(tmp_path, {**FILES, **{name: json.dumps(value) for name, value in files.items()}})
    try:
        load(tmp_path, ENVIRON)
    except ConfigProblems as problems:
        assert problems.problems


def test_a_good_folder_loads_without_a_warning(tmp_path: Path) -> None:
    """Settings, agents and a digest of 64 hex digits."""
    deployment = loaded(tmp_path)
    assert deployment.agents.keys() == {"support"}
    assert deployment.warnings == ()
    assert len(deployment.digest) == 64


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    """Another spelling of the same content is the same; another prompt, weight or rule is not."""
    digest = loaded(tmp_path).digest
    assert loaded(tmp_path, {"routing.yaml": f"# a note\n{ROUTING.replace('5%', '5.0%')}"}).digest == digest
    changes = [
        {"agents/support/v1.yaml": V1.replace("kind", "brief")},
        {"routing.yaml": ROUTING.replace("5%", "6%")},
        {"routing.yaml": ROUTING + "    sticky: user\n"},
        {"routing.yaml": ROUTING + "    fallback: [openai/spare]\n"},
        {"routing.yaml": ROUTING + "    signals: [tokens <= stable * 1.1]\n"},
        {"routing.yaml": ROUTING.replace("weight: 5%", "steps: [{weight: 5%, hold: 1m}]")},
        {"routing.yaml": ROUTING.replace("weight: 5%", "steps: [{weight: 5%, hold: 2m}]")},
        {"gateway.yaml": FILES["gateway.yaml"] + "drain: 1s\n"},
    ]
    assert len({digest, *(loaded(tmp_path, change).digest for change in changes)}) == 9


def test_files_that_are_not_read_are_named(tmp_path: Path) -> None:
    """`gateway.yml` beside the file that counts is a warning; in its place it is the problem's remedy."""
    found = loaded(tmp_path, {"gateway.yml": "x: 1", "routing.yml": "x: 1"})
    assert found.warnings == (
        "gateway.yml is not used: rename it to gateway.yaml", "routing.yml is not used: rename it to routing.yaml",
    )  # fmt: skip
    (tmp_path / "gateway.yaml").unlink()
    with pytest.raises(ConfigProblems, match=r"gateway\.yaml: file not found; rename gateway\.yml to gateway\.yaml"):
        load(tmp_path, ENVIRON)


def test_a_variable_of_a_shell_in_a_prompt_is_warned_of(tmp_path: Path) -> None:
    """A prompt is filled by no shell: the model would read the variable. JSON and other braces are a prompt's own."""
    text = "model: openai/m\nsystem_prompt: 'Be ${MOOD} {\"a\": {}} {{ 1 }} {user} $5'\n"
    (warning,) = loaded(tmp_path, {"agents/support/v1.yaml": text, "agents/support/v2.yaml": V1}).warnings
    assert warning.startswith("agent support: the prompt of v1 holds ${MOOD}, which goes to the model as it is")


@pytest.mark.parametrize("name", ["gateway.yaml", "routing.yaml"])
@pytest.mark.parametrize(("text", "complaint"), [(None, ": file not found"), ("", ":1: the file is empty")])
def test_the_two_files_are_required(tmp_path: Path, name: str, text: str | None, complaint: str) -> None:
    """Missing and empty are told apart, and the problems of the other files still show."""
    write(tmp_path, {**FILES, name: text or "", "agents/support/v2.yaml": "extends: v9"})
    if text is None:
        (tmp_path / name).unlink()
    with pytest.raises(ConfigProblems) as caught:
        load(tmp_path, ENVIRON)
    assert [str(each).removeprefix(f"{tmp_path}/") for each in caught.value.problems] == [
        "agents/support/v2.yaml:1: extends: unknown version 'v9'; known: v1, v2",
        f"{name}{complaint}",
    ]


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    """One problem, not one for each file."""
    with pytest.raises(ConfigProblems) as caught:
        load(tmp_path / "none", ENVIRON)
    assert caught.value.problems == (
        Problem(str(tmp_path / "none"), 0, "", "is no folder; name the one that holds gateway.yaml"),
    )


def test_a_problem_points_to_file_line_and_path(tmp_path: Path) -> None:
    """The parts are there for the status page, the line for people."""
    with pytest.raises(ConfigProblems) as caught:
        loaded(tmp_path, {"routing.yaml": ROUTING.replace("v2", "v3")})
    (problem,) = caught.value.problems
    assert problem == Problem(
        str(tmp_path / "routing.yaml"), 4, "agents.support.canary", "unknown version 'v3'; known: v1, v2"
    )
    assert str(caught.value) == str(problem)


def test_a_broken_version_hides_no_other_problem(tmp_path: Path) -> None:
    """A version whose file is not YAML is still known by its name, so nobody is told that it is unknown."""
    assert problems(tmp_path, {"agents/support/v2.yaml": "a: [\n", "routing.yaml": ROUTING + "    sticky: x\n"}) == [
        "agents/support/v2.yaml:2: not YAML: did not find expected node content while parsing a flow node",
        "routing.yaml:6: agents.support.sticky: unknown unit 'x'; known: conversation, user, request, header:<name>",
    ]


def test_a_folder_as_kubernetes_mounts_it(tmp_path: Path) -> None:
    """Files are links through a hidden folder; the hidden ones are no agents."""
    write(tmp_path / "..2026_01", {**FILES, "prompts/x.md": "From a file."})
    write(tmp_path / "..2026_01", {"agents/support/v1.yaml": "model: openai/x\nsystem_prompt: {file: prompts/x.md}\n"})
    (tmp_path / "..data").symlink_to("..2026_01")
    for name in ("gateway.yaml", "routing.yaml", "agents", "prompts"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    agents = load(tmp_path, ENVIRON).agents
    assert agents["support"].versions["v1"].system_prompt == "From a file."


def test_hostile_text_stays_one_line(tmp_path: Path) -> None:
    """Control characters in what is quoted are escaped, and long values are cut."""
    found = problems(
        tmp_path, {"routing.yaml": 'agents:\n  support: {stable: "v1\\e[31m\\n", sticky: "' + "x" * 5000 + '"}\n'}
    )
    assert all(line.isprintable() and len(line) < 300 for line in found), found


def test_an_unreadable_folder_of_agents(tmp_path: Path) -> None:
    """A file in the place of the folder is told, and the agents are then unknown."""
    write(tmp_path, FILES)
    shutil.rmtree(tmp_path / "agents")
    (tmp_path / "agents").write_text("x")
    with pytest.raises(ConfigProblems) as caught:
        load(tmp_path, ENVIRON)
    assert f"{tmp_path}/agents: cannot be read: Not a directory" in str(caught.value)


def test_each_agent_costs_the_same(tmp_path: Path) -> None:
    """Reading is done in a thread beside the traffic: what 80 agents take is no more than four times what 20 take."""
    work = list[int]()
    for count in (20, 80):
        names = [f"agent-{index}" for index in range(count)]
        files = {f"agents/{name}/{v}.yaml": FILES[f"agents/support/{v}.yaml"] for name in names for v in ("v1", "v2")}
        entries = "".join(f"  {name}: {{stable: v1, canary: v2, weight: 5%}}\n" for name in names)
        write(tmp_path, {**FILES, **files, "routing.yaml": ROUTING + entries})
        with CallCount() as calls:
            assert len(load(tmp_path, ENVIRON).agents) == count + 1
        work.append(calls.total)
    assert work[1] < 4.1 * work[0]
