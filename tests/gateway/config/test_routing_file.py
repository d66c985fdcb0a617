import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from policies.guardrails.grammar import DEFAULT_GUARDRAILS
from routing.agents import Agent, Hedge, RolloutStep, Shadow, Sticky, Target, Timeouts
from tests.gateway.config.folders import GATEWAY, ROUTING, STEPS, loaded, problems

KEYED = GATEWAY + (
    f"keys:\n  web: {{sha256: '{'0' * 64}', group: internal}}\n"
    f"  app: {{sha256: '{'2' * 64}', agents: [support]}}\n  ios: {{sha256: '{'1' * 64}', agents: [support]}}\n"
)


def support(folder: Path, text: str, files: Mapping[str, str] | None = None) -> Agent:
    return loaded(folder, {"routing.yaml": ROUTING + text, **(files or {})}).agents["support"]


def test_a_trial_is_resolved(tmp_path: Path) -> None:
    """Names become versions, the weight basis points, and what is not written has its default."""
    agent = support(tmp_path, "")
    assert (agent.stable, agent.canary, agent.steps) == ("v1", "v2", (RolloutStep(500),))
    assert agent.versions.keys() == {"v1", "v2"}
    assert agent.sticky == Sticky("conversation")
    assert agent.guardrails == DEFAULT_GUARDRAILS
    assert (agent.signals, agent.shadow, agent.hedge) == ((), None, None)


def test_steps_are_resolved(tmp_path: Path) -> None:
    """Basis points, seconds, calls and whether a person must agree, step by step."""
    assert loaded(tmp_path, {"routing.yaml": STEPS}).agents["support"].steps == (
        RolloutStep(500, 600.0, 1000),
        RolloutStep(2500, 1200.0),
        RolloutStep(10_000, 3600.0, 0, approval=True),
    )


def test_without_a_canary_there_are_no_steps(tmp_path: Path) -> None:
    """Nothing is on trial, so nothing has a share."""
    text = ROUTING.replace("    canary: v2\n    weight: 5%\n", "")
    assert loaded(tmp_path, {"routing.yaml": text}).agents["support"].steps == ()


def test_everything_there_is_to_say(tmp_path: Path) -> None:
    """Rules, stickiness, chain and guardrails, with values as text."""
    agent = support(
        tmp_path,
        "    sticky: header:X-Tenant\n"
        "    rules:\n"
        "      - {when: {group: internal}, use: v2}\n"
        "      - {when: {stream: true, user: [42, ann], header:X-Country: NO}, use: v1}\n"
        "    fallback: [openai/gpt-4o-mini, human]\n"
        "    guardrails: [error_rate  <= 10%]\n"
        "    signals: [ttft_p90 <=stable * 1.1, latency_p90 <= stable * 1.1]\n"
        "    shadow: {version: v3, sample: 0.5%, max_per_minute: 20, max_usd_per_day: 2.5}\n",
        {"agents/support/v3.yaml": "model: openai/v3", "gateway.yaml": KEYED + "escalation: {desk: true}\n"},
    )
    assert agent.sticky == Sticky("header", "x-tenant")
    assert agent.rules[0].when == {"group": ("internal",)}
    assert agent.rules[1].when == {"stream": ("true",), "user": ("42", "ann"), "header:x-country": ("NO",)}
    assert agent.fallback == (Target("openai", "gpt-4o-mini"), "human")
    assert agent.guardrails == ("error_rate <= 10%",)
    assert agent.signals == ("ttft_p90 <=stable * 1.1", "latency_p90 <= stable * 1.1")
    assert agent.shadow == Shadow("v3", 50, 20, 2_500_000_000)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("stable: v1\n    canary: v3\n    weight: 5%", "5: agents.a.canary: unknown version 'v3'; known: v1, v2"),
        ("stable: v1\n    canary: v2", "agents.a.canary: a canary needs a weight; add `weight: 5%`"),
        ("stable: v1\n    weight: 5%", "agents.a.weight: a weight needs a canary; add `canary: <version>`"),
        (
            "stable: v1\n    canary: v1\n    weight: 5%",
            "agents.a.canary: 'v1' is also `stable`; name another version",
        ),
        ("canary: v2\n    weight: 5%", "routing.yaml:3: agents.a.stable: is missing"),
        ("stable: v1\n    canary: v2\n    weight: 5", "agents.a.weight: write a percentage with its sign, such as 5%"),
        ("stable: v1\n    canary: v2\n    weight: 101%", "agents.a.weight: '101%' is more than 100%"),
        ("stable: v1\n    steps: [{weight: 5%, hold: 1m}]", "agents.a.steps: steps need a canary; add `canary: <ver"),
        ("stable: v1\n    shadow: {version: v2}", "agents.a.shadow.sample: is missing"),
        ("stable: v1\n    shadow: {sample: 5%}", "agents.a.shadow.version: is missing"),
        ("stable: v1\n    shadow: {version: v9, sample: 5%}", "shadow.version: unknown version 'v9'; known: v1, v2"),
        ("stable: v1\n    shadow: {version: v2, sample: 5}", "shadow.sample: write a percentage with its sign"),
        (
            "stable: v1\n    shadow: {version: v2, sample: 5%, max_per_minute: 0}",
            "shadow.max_per_minute: must be at least 1",
        ),
        (
            "stable: v1\n    shadow: {version: v2, sample: 5%, max_usd_per_day: 0}",
            "shadow.max_usd_per_day: must be more than 0",
        ),
        (
            "stable: v1\n    shadow: {version: v1, sample: 5%}",
            "shadow.version: 'v1' is stable already; a shadow needs another version",
        ),
        (
            "stable: v1\n    canary: v2\n    weight: 5%\n    shadow: {version: v2, sample: 5%}",
            "shadow.version: 'v2' is the canary already; a shadow needs another version",
        ),
        ("stable: v1\n    signals: [error_rate <= 5%]", "signals.0: a signal compares with stable; write `error_rate"),
        ("stable: v1\n    signals: [speed <= stable * 1.1]", "signals.0: unknown metric 'speed' in 'speed <= stable"),
        (
            "stable: v1\n    signals: [cost <= stable * 1.05]",
            "signals.0: cost <= stable * 1.05 is already a guardrail by default; remove the signal",
        ),
        (
            "stable: v1\n    guardrails: [cost <= stable * 2]\n    signals: [cost <= stable * 2.0]",
            "signals.0: cost <= stable * 2.0 is already a guardrail; remove the signal",
        ),
        (
            "stable: v1\n    guardrails: [cost <= stable * 2, error_rate <= 5%, cost <= stable * 3]",
            "guardrails.2: a second limit of cost, after guardrails.0; keep one of them",
        ),
        ("stable: v1\n    guardrails: [cost <= 5%]", "guardrails.0: cost is compared with stable only: write"),
        (
            "stable: v1\n    foo: 5",
            "agents.a.foo: unknown key 'foo'; known: canary, evaluation, fallback, guardrails, hedge, idle",
        ),
        ("stable: 1.10", "agents.a.stable: must be text; put it in quotes, such as '1.10'"),
        (
            "stable: v1\n    sticky: session",
            "agents.a.sticky: unknown unit 'session'; known: conversation, user, request",
        ),
        ("stable: v1\n    sticky: header:Cookie", "agents.a.sticky: 'Cookie' is a credential; use the fact `caller`"),
        ("stable: v1\n    sticky: 'header:'", "agents.a.sticky: '' is not a header name; write header:<name>"),
        (
            "stable: v1\n    rules: [{when: {grup: x}, use: v1}]",
            "when.grup: unknown fact 'grup'; did you mean 'group'?",
        ),
        ("stable: v1\n    rules: [{when: {group: x}, use: v9}]", "rules.0.use: unknown version 'v9'; known: v1, v2"),
        ("stable: v1\n    rules: [{when: {group: 1.5}, use: v1}]", "when.group: 1.5 must be text; put it in quotes"),
        ("stable: v1\n    rules: [{when: {group: []}, use: v1}]", "when.group: must hold 1 to 1000 values"),
        ("stable: v1\n    rules: [{when: {header:authorization: x}, use: v1}]", "'authorization' is a credential"),
        ("stable: v1\n    rules: [{use: v1}]", "agents.a.rules.0.when: is missing"),
        ("stable: v1\n    rules: {}", "agents.a.rules: must be a list, such as [a, b]"),
        ("stable: v1\n    fallback: [human, openai/x]", "fallback.0: `human` must be the last target"),
        ("stable: v1\n    fallback: [gpt-4o]", "fallback.0: write provider/model, such as openai/gpt-4o, or human"),
        (
            "stable: v1\n    fallback: [opnai/x]",
            "fallback.0: unknown provider 'opnai'; did you mean 'openai'? known: openai",
        ),
        ("stable: v1\n    fallback: [openai/x, openai/x]", "fallback.1: 'openai/x' is in the chain already"),
        ("stable: v1\n    guardrails: [error_rate < 1]", "guardrails.0: cannot read guardrail 'error_rate < 1'; write"),
        (
            "stable: v1\n    hedge: {after: p95}",
            "5: agents.a.hedge: a hedge needs a second target; add `fallback: [<provider>/<model>]` or remove",
        ),
        (
            "stable: v1\n    fallback: [openai/x, human]",
            "routing.yaml:5: agents.a.fallback.1: nobody is told of conversations that `human` gets; "
            "in gateway.yaml set `escalation.webhook`, or `escalation: {desk: true}`",
        ),
        ("stable: v1\n    fallback: [human]\n    hedge: {after: p95}", "agents.a.hedge: a hedge needs a second target"),
        ("stable: v1\n    fallback: [openai/x]\n    hedge: {}", "agents.a.hedge.after: is missing"),
        (
            "stable: v1\n    fallback: [openai/x]\n    hedge: {after: p42}",
            "hedge.after: cannot read 'p42'; write a percentile (p50, p75, p90, p95, p99) or a duration such as 800ms",
        ),
        ("stable: v1\n    fallback: [openai/x]\n    hedge: {after: 0ms}", "hedge.after: must be longer than 0s"),
        ("stable: v1\n    fallback: [openai/x]\n    hedge: {after: 800}", "hedge.after: cannot read 800; write a perc"),
        (
            "stable: v1\n    fallback: [openai/x]\n    hedge: {after: p95, budget: 60%}",
            "hedge.budget: must be more than 0% and at most 50%; remove `hedge` to have none",
        ),
        (
            "stable: v1\n    fallback: [openai/x]\n    hedge: {after: p95, budget: 0%}",
            "hedge.budget: must be more than",
        ),
        (
            "stable: v1\n    fallback: [openai/x]\n    hedge: {after: p95, budget: 5}",
            "hedge.budget: write a percentage",
        ),
        ("stable: v1\n    guardrails: [5]", "guardrails.0: must be text; put it in quotes"),
    ],
)
def test_what_is_wrong_is_said_with_the_way_out(tmp_path: Path, text: str, complaint: str) -> None:
    """Line, path and a message that shows what to write."""
    agents = {f"agents/a/{name}.yaml": f"model: openai/{name}" for name in ("v1", "v2")}
    found = problems(tmp_path, {"routing.yaml": f"\n\nagents:\n  a:\n    {text}\n".replace("\n\n", "\n", 1), **agents})
    assert any(complaint in line for line in found), found


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ("[]", "steps: must not be empty"),
        ("5%", "steps: must be a list, such as [a, b]"),
        ("[{weight: 5%}]", "steps.0.hold: is missing"),
        ("[{hold: 5m}]", "steps.0.weight: is missing"),
        ("[{weight: 0%, hold: 5m}]", "steps.0.weight: must be more than 0%"),
        ("[{weight: 101%, hold: 5m}]", "steps.0.weight: '101%' is more than 100%"),
        ("[{weight: 5%, hold: 0s}]", "steps.0.hold: must be longer than 0s"),
        ("[{weight: 5%, hold: 5m, min_requests: -1}]", "steps.0.min_requests: must be at least 0"),
        ("[{weight: 5%, hold: 5m, approval: yes}]", "steps.0.approval: unknown value 'yes'; known: required"),
        ("[{weight: 5%, hold: 5m, wait: 1m}]", "steps.0.wait: unknown key 'wait'; did you mean 'weight'? known:"),
        (
            "[{weight: 5%, hold: 5m}, {weight: 5.00%, hold: 5m}]",
            "steps.1.weight: 5.00% is not more than 5% before it; the weight must rise with every step",
        ),
        (f"[{', '.join(f'{{weight: {n}%, hold: 5m}}' for n in range(1, 22))}]", "steps: must have at most 20 entries"),
    ],
)
def test_what_is_wrong_with_steps(tmp_path: Path, steps: str, complaint: str) -> None:
    """Each step says its weight and how long it holds, and weights only rise."""
    text = ROUTING.replace("weight: 5%", f"steps: {steps}")
    found = problems(tmp_path, {"routing.yaml": text})
    assert [line.startswith(f"routing.yaml:5: agents.support.{complaint}") for line in found] == [True], found


def test_steps_stand_in_place_of_a_weight(tmp_path: Path) -> None:
    """Both would leave the share to chance."""
    (found,) = problems(tmp_path, {"routing.yaml": STEPS + "    weight: 5%\n"})
    assert found == "routing.yaml:9: agents.support.weight: `steps` replace `weight`; keep only one of them"


@pytest.mark.parametrize(("written", "weight"), [("0%", 0), ("0.01%", 1), ("100%", 10_000)])
def test_weights_from_nothing_to_everything(tmp_path: Path, written: str, weight: int) -> None:
    """The ends are allowed, and one basis point is the smallest step."""
    text = ROUTING.replace("5%", written)
    assert loaded(tmp_path, {"routing.yaml": text}).agents["support"].steps == (RolloutStep(weight),)


def test_a_canary_with_the_content_of_stable_is_refused(tmp_path: Path) -> None:
    """Whatever it is called, nothing would be on trial."""
    (found,) = problems(tmp_path, {"agents/support/v2.yaml": "extends: v1\nname: other label\n"})
    assert found == "routing.yaml:4: agents.support.canary: v2 has the same content as v1; change the canary first"


def test_an_agent_without_files_is_told_where_they_go(tmp_path: Path) -> None:
    """The way out is the path of the missing file."""
    (found,) = problems(tmp_path, {"routing.yaml": ROUTING + "  other: {stable: v1}\n"})
    assert found.endswith("unknown version 'v1'; known: none; a version is a file, here agents/other/v1.yaml")


@pytest.mark.parametrize("name", ["..", ".hidden", "a b", "a@v2", "x" * 65, "''", "a/b", '"a\\n"', "ä"])
def test_agent_names_are_safe_in_paths_and_keys(tmp_path: Path, name: str) -> None:
    """No separators, no leading dot, no line breaks: names become paths, header values and store keys."""
    found = problems(tmp_path, {"routing.yaml": f"{ROUTING}  {name}: {{stable: v1}}\n"})
    assert any("is not a valid name; use 1 to 64 of" in line for line in found), found


def test_a_trial_without_guardrails_draws_a_warning(tmp_path: Path) -> None:
    """An empty list is obeyed, but nobody should write it unknowingly."""
    deployment = loaded(tmp_path, {"routing.yaml": ROUTING + "    guardrails: []\n"})
    assert deployment.agents["support"].guardrails == ()
    assert deployment.warnings == ("agent support has no guardrails: nothing rolls v2 back",)


def test_steps_without_guardrails_draw_a_louder_warning(tmp_path: Path) -> None:
    """Without guardrails steps promote any canary."""
    (warning,) = loaded(tmp_path, {"routing.yaml": STEPS + "    guardrails: []\n"}).warnings
    assert warning.endswith("nothing rolls v2 back, and its steps go on by the clock alone")


def test_the_steps_of_the_shipped_file_load(tmp_path: Path) -> None:
    """Whoever removes its weight and uncomments the steps has a rollout that goes on by itself."""
    shipped = (Path(__file__).parents[3] / "config" / "routing.yaml").read_text(encoding="utf-8")
    text = re.sub("^#( .*)$", r" \1", shipped.split("agents:")[1], flags=re.M).replace("    weight: 5%\n", "")
    text = "agents:" + text.replace("customer-support", "support").replace("anthropic/", "openai/")
    agent = loaded(tmp_path, {"routing.yaml": text}).agents["support"]
    assert [step.weight for step in agent.steps] == [500, 2500, 10_000]


@pytest.mark.parametrize(
    ("text", "hedge"),
    [
        ("{after: p95}", Hedge(0.95, None, 0.05)),
        ("{after: p50, budget: 12.5%}", Hedge(0.5, None, 0.125)),
        ("{after: 800ms, budget: 50%}", Hedge(None, 0.8, 0.5)),
    ],
)
def test_a_hedge_is_resolved(tmp_path: Path, text: str, hedge: Hedge) -> None:
    """A percentile as a share, a time in seconds, the budget as a share of the calls."""
    assert support(tmp_path, f"    fallback: [openai/spare]\n    hedge: {text}\n").hedge == hedge


def test_a_hedge_that_has_nowhere_to_go_draws_a_warning(tmp_path: Path) -> None:
    """For the version whose own target is all there is in the chain; the other one has a second."""
    text = ROUTING + "    fallback: [openai/v2, human]\n    hedge: {after: p95}\n"
    files = {"gateway.yaml": GATEWAY + "escalation: {desk: true}\n"}
    files |= {"agents/support/v1.yaml": "model: openai/v1", "agents/support/v2.yaml": "model: openai/v2"}
    warnings = loaded(tmp_path, {"routing.yaml": text, **files}).warnings
    assert "agent support: v2 is never hedged, as openai/v2 is its only target" in warnings
    assert not any("v1 is never" in warning for warning in warnings)


@pytest.mark.parametrize("said", ["desk: true", "webhook: https://people.example.com/serinus"])
def test_a_person_needs_somebody_who_hears(tmp_path: Path, said: str) -> None:
    """A webhook, or a desk that is said on purpose."""
    files = {"gateway.yaml": f"{GATEWAY}escalation: {{{said}}}\n"}
    assert support(tmp_path, "    fallback: [human]\n", files).fallback == ("human",)


@pytest.mark.parametrize("said", ["desk: false", "message: A person comes.", "secret: '${OTHER}'"])
def test_a_person_of_whom_nobody_hears_is_a_problem(tmp_path: Path, said: str) -> None:
    """Nothing else in `escalation` makes a receiver."""
    files = {"gateway.yaml": f"{GATEWAY}escalation: {{{said}}}\n", "routing.yaml": f"{ROUTING}    fallback: [human]\n"}
    [line] = problems(tmp_path, files)
    assert "agents.support.fallback.0" in line and "escalation.webhook" in line


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        (
            ["{when: {stream: yes}, use: v1}"],
            "0.when.stream: 'yes' is never the value of `stream`; write true or false",
        ),
        (["{when: {stream: [true, 1]}, use: v1}"], "0.when.stream: 1 is never the value of `stream`"),
        (
            ["{when: {caller: nosuch}, use: v1}"],
            "0.when.caller: unknown caller 'nosuch'; known: app, web (of keys that",
        ),
        (["{when: {caller: ios}, use: v1}"], "0.when.caller: unknown caller 'ios'; known: app, web"),
        (
            ["{when: {group: [internal, beta]}, use: v1}"],
            "0.when.group: unknown group 'beta'; known: default, internal",
        ),
        (["{when: {caller: app, group: internal}, use: v1}"], "0.when: no caller that is named here is in a group"),
        (["{when: {}, use: v1}", "{when: {caller: app}, use: v2}"], "1: is never reached: rules.0 takes every call"),
        (
            ["{when: {user: [a, b]}, use: v1}", "{when: {stream: true, user: a}, use: v2}"],
            "1: is never reached: rules.0",
        ),
    ],
)
def test_what_no_call_can_match_is_a_problem(tmp_path: Path, rules: list[str], complaint: str) -> None:
    """A rule with a typing error would never match, and never say so."""
    text = f"    rules: [{', '.join(rules)}]\n"
    keyed = KEYED.replace("agents: [support]}\n", "agents: [other]}\n").replace("[other]", "[support]", 1)
    files = {"routing.yaml": ROUTING + text, "gateway.yaml": keyed}
    files |= {"agents/other/v1.yaml": "model: openai/x\n"}
    files["routing.yaml"] = files["routing.yaml"].replace("agents:\n", "agents:\n  other: {stable: v1}\n")
    [found] = problems(tmp_path, files)
    assert found.partition("rules.")[2].startswith(complaint)


@pytest.mark.parametrize(
    "rules",
    [
        ["{when: {caller: [web, app]}, use: v1}", "{when: {group: internal}, use: v2}"],
        ["{when: {stream: true}, use: v1}", "{when: {stream: false, caller: app}, use: v2}"],
        ["{when: {user: a}, use: v1}", "{when: {}, use: v2}"],
        ["{when: {user: nobody, 'header:x-a': 7}, use: v1}"],
    ],
)
def test_what_a_call_may_match_is_none(tmp_path: Path, rules: list[str]) -> None:
    """Users, conversations and headers are anything; an earlier rule that takes only some calls hides no later one."""
    text = f"    rules: [{', '.join(rules)}]\n"
    assert loaded(tmp_path, {"routing.yaml": ROUTING + text, "gateway.yaml": KEYED}).agents["support"].rules


def test_without_keys_nobody_has_a_name(tmp_path: Path) -> None:
    """Every caller is `open`, of the group `default`."""
    text = ROUTING + "    rules: [{when: {caller: open, group: default}, use: v1}, {when: {caller: web}, use: v2}]\n"
    [found] = problems(tmp_path, {"routing.yaml": text})
    assert "unknown caller 'web'; known: open (without `keys` there is no other)" in found


def test_many_rules_are_compared_in_bounded_time(tmp_path: Path) -> None:
    """Thousands of rules, each with the first 200 before it."""
    rules = "".join(f"      - {{when: {{user: u{number}}}, use: v1}}\n" for number in range(3000))
    assert len(loaded(tmp_path, {"routing.yaml": f"{ROUTING}    rules:\n{rules}"}).agents["support"].rules) == 3000


def test_own_timeouts_are_resolved(tmp_path: Path) -> None:
    """What an agent does not write is the gateway's; without any it has none of its own."""
    agent = support(tmp_path, "    timeouts: {first_token: 10m, connect: 2s}\n")
    assert agent.timeouts == Timeouts(first_token=600.0, between_chunks=60.0, answer=120.0, total=600.0, connect=2.0)
    assert support(tmp_path, "").timeouts is None
    files = {"gateway.yaml": GATEWAY + "timeouts: {between_chunks: 7s}\n"}
    given = support(tmp_path, "    timeouts: {total: 20s}\n", files).timeouts
    assert given == Timeouts(first_token=60.0, between_chunks=7.0, answer=120.0, total=20.0)


def test_own_timeouts_change_the_digest(tmp_path: Path) -> None:
    """So that a reload takes them."""
    texts = ("", "    timeouts: {total: 20s}\n", "    timeouts: {total: 30s}\n")
    digests = {loaded(tmp_path, {"routing.yaml": ROUTING + text}).digest for text in texts}
    assert len(digests) == len(texts)


@pytest.mark.parametrize(
    ("written", "general", "message"),
    [
        ("{answer: 15m}", "", "timeouts.answer: is longer than the gateway's `total`, 10m, which ends the call"),
        (
            "{first_token: 2m}",
            "timeouts: {total: 1m}\n",
            "timeouts.first_token: is longer than the gateway's `total`, 60s",
        ),
        ("{connect: 30s, total: 20s}", "", "timeouts.connect: is longer than `total`, 20s, which ends the call"),
        ("{total: 0s}", "", "timeouts.total: must be longer than 0s"),
        ("{total: 20}", "", "timeouts.total: write a duration with its unit, such as 30s"),
        ("{totl: 20s}", "", "timeouts.totl: unknown key 'totl'; did you mean 'total'?"),
        ("20s", "", "timeouts: must be a mapping (key: value)"),
    ],
)
def test_own_timeouts_that_make_no_sense(tmp_path: Path, written: str, general: str, message: str) -> None:
    """A limit that never applies, and what is none."""
    files = {"routing.yaml": f"{ROUTING}    timeouts: {written}\n", "gateway.yaml": GATEWAY + general}
    [problem] = problems(tmp_path, files)
    assert problem.startswith(f"routing.yaml:6: agents.support.{message}")


@pytest.mark.parametrize("written", ["{total: 20s}", "{answer: 15m, total: 15m}", "{}"])
def test_own_timeouts_that_fit(tmp_path: Path, written: str) -> None:
    """A short total cuts what is inherited."""
    assert support(tmp_path, f"    timeouts: {written}\n").timeouts is not None
