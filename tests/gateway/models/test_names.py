"""What a name in `model` stands for: agents first, then aliases, then plain models."""

import pytest

from gateway.calls import Caller
from gateway.errors import Forbidden, UnknownModel
from gateway.models.known import KnownModels
from gateway.models.names import AmbiguousModel, Meaning, ModelNames
from gateway.pricing import PriceBook, PriceList
from routing.agents import Agent, AgentVersion
from routing.chain import Target
from routing.models import ModelPattern

ANYONE = Caller("anyone", "all")
URLS = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
    "house": "http://x/v1",
}
BOOK = PriceBook((), URLS, {"house": "openai", "gemini": "google"}, PriceList(), {"gemini"})


def patterns(*texts: str) -> tuple[ModelPattern, ...]:
    return tuple(map(ModelPattern.of, texts))


def names(*models: str, aliases: dict[str, str] | None = None, accounts: dict[str, str] | None = None) -> ModelNames:
    versions = {name: AgentVersion(name, Target("openai", name)) for name in ("v1", "v2")}
    agents = {name: Agent(name, versions, stable="v1") for name in ("support", "openai")}
    return ModelNames(agents, aliases, patterns(*models), accounts, KnownModels(book=BOOK))


def model(name: str) -> Meaning:
    provider, _, rest = name.partition("/")
    return Meaning.of_model(Target(provider, rest))


def key(agents: list[str] | None = None, models: list[str] | None = None) -> Caller:
    scope = None if agents is None else frozenset(agents)
    return Caller("key", "all", scope, models=None if models is None else patterns(*models))


def test_agents_and_their_versions() -> None:
    """An agent's name means the agent, also where a provider or a model is called the same."""
    known = names("openai/*", "openai/support")
    assert known.find("support", ANYONE) == Meaning("support")
    assert known.find("support@v2", ANYONE) == Meaning("support", "v2")
    assert known.find("openai", ANYONE) == Meaning("openai")
    assert known.find("openai/support", ANYONE) == model("openai/support")


@pytest.mark.parametrize("name", ["support@v9", "support@", "gpt-4o@v9"])
def test_a_version_that_there_is_not(name: str) -> None:
    """A pin never becomes a plain model's name, however much is passed on."""
    with pytest.raises(UnknownModel, match="known: v1, v2"):
        names("house/*", aliases={"gpt-4o": "support"}).find(name, ANYONE)


def test_a_version_of_an_aliased_model() -> None:
    """A model has no versions, so a pin of its alias is no model's name; whole names may hold the mark."""
    known = names("openai/*", aliases={"gpt-4": "openai/gpt-4o"})
    with pytest.raises(UnknownModel, match="alias of the model 'openai/gpt-4o', and models have no versions"):
        known.find("gpt-4@v1", ANYONE)
    with pytest.raises(Forbidden):
        known.find("gpt-4@v1", key(models=[]))
    for name in ("openai/gpt-4@v1", "gpt-5@v1"):
        assert known.find(name, ANYONE) == model(f"openai/{name.removeprefix('openai/')}")


def test_aliases() -> None:
    """A name that an app sends already is served by an agent, pins included, or by another model."""
    known = names("openai/*", aliases={"gpt-4o": "support", "openai/gpt-4o": "support", "old": "openai/new"})
    assert known.find("gpt-4o", ANYONE) == known.find("openai/gpt-4o", ANYONE) == Meaning("support")
    assert known.find("gpt-4o@v1", ANYONE) == Meaning("support", "v1")
    assert known.find("old", ANYONE) == model("openai/new")


def test_with_the_provider_in_front() -> None:
    """By name and by beginning; what no pattern matches is unknown."""
    known = names("openai/gpt-4o", "anthropic/claude-*")
    assert known.find("openai/gpt-4o", ANYONE) == model("openai/gpt-4o")
    assert known.find("anthropic/claude-x", ANYONE) == model("anthropic/claude-x")
    for name in ("openai/gpt-4", "anthropic/opus", "anthropic/", "house/gpt-4o", "/gpt-4o", "openai/"):
        with pytest.raises(UnknownModel):
            known.find(name, ANYONE)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "openai/../files",
            "openai/a//b",
            "openai/a b",
            "openai/a\r\nx: y",
            "openai/a?b",
            "openai/a#b",
            "openai/a%2fb",
        ),
        *("openai/мо", "openai/\udc80", "openai/" + "a" * 201, "openai/.a", "openai/a/./b", "openai/a\x00"),
    ],
)
def test_odd_names_are_not_passed_on(name: str) -> None:
    """An open pattern takes nothing that could leave the path or the header that it goes into."""
    with pytest.raises(UnknownModel):
        names("openai/*").find(name, ANYONE)


@pytest.mark.parametrize(
    "name", ["openai/meta-llama/Llama-3.3:free", "openai/@cf/meta/llama", "openai/ft:gpt-4o:org::id", "openai/a@2025"]
)
def test_names_as_providers_spell_them(name: str) -> None:
    """Slashes, colons and signs that real models have are taken."""
    assert names("openai/*").find(name, ANYONE) == model(name)


def test_an_exact_name_is_taken_as_it_is_written() -> None:
    """The operator answers for it."""
    assert names("house/модель").find("модель", ANYONE) == model("house/модель")


def test_without_a_provider() -> None:
    """The only provider with a pattern for it, else the only one that is known to have it."""
    assert names("house/*").find("anything", ANYONE) == model("house/anything")
    both = names("openai/*", "anthropic/*", "gemini/*", "house/*")
    assert both.find("gpt-4o", ANYONE) == model("openai/gpt-4o")
    assert both.find("claude-sonnet-4-5", ANYONE) == model("anthropic/claude-sonnet-4-5")
    assert both.find("gemini-2.5-pro", ANYONE) == model("gemini/gemini-2.5-pro")
    assert both.find("gpt-99-of-tomorrow", ANYONE) == model("openai/gpt-99-of-tomorrow")
    assert names("openai/*", "house/gpt-4o", "anthropic/*").find("gpt-4o-mini", ANYONE) == model("openai/gpt-4o-mini")


def test_a_slash_that_begins_with_no_provider() -> None:
    """A marketplace's own names hold slashes; a provider in front has precedence, if it is passed on."""
    assert names("house/*").find("openai/gpt-4o", ANYONE) == model("house/openai/gpt-4o")
    assert names("house/*", "openai/*").find("openai/gpt-4o", ANYONE) == model("openai/gpt-4o")


@pytest.mark.parametrize("name", ["nobody-knows-this", "gpt-4o"])
def test_ambiguous_names(name: str) -> None:
    """Where several providers may have it, the error lists what to write; nobody's prompt goes to the wrong account."""
    known = names("house/gpt-4o", "house/n*", "openai/*")
    with pytest.raises(AmbiguousModel, match=f"house/{name}, openai/{name}") as caught:
        known.find(name, ANYONE)
    assert (caught.value.status, caught.value.code) == (400, "ambiguous_model")


def test_two_formats_of_one_account() -> None:
    """They are no choice: the pattern that is written first decides."""
    known = names("house/*", "openai/*", accounts={"house": "one", "openai": "one"})
    assert known.find("new-9", ANYONE) == model("house/new-9")


def test_scopes_hold_for_every_spelling() -> None:
    """A key for agents calls no model, by no name; a key for models no agent, also not by an alias."""
    known = names("openai/*", aliases={"gpt-4o": "support", "alias": "openai/o3"})
    agents, models = key(["support"], []), key([], ["openai/gpt-*"])
    assert known.find("gpt-4o", agents) == Meaning("support")
    assert known.find("gpt-5", models) == known.find("openai/gpt-5", models) == model("openai/gpt-5")
    for caller, refused in ((agents, ["openai/gpt-5", "gpt-5", "alias", "openai"]), (models, ["support", "gpt-4o"])):
        for name in (*refused, "o3", "openai/o3", "alias", "nobody", "support@v9" if caller is models else "openai@v1"):
            with pytest.raises(Forbidden):
                known.find(name, caller)


@pytest.mark.parametrize("caller", [key(["support"], []), key(None, ["openai/gpt-*"]), key([], [])])
@pytest.mark.parametrize("name", ["nobody", "openai/o3", "elsewhere/o3"])
def test_a_limited_key_is_not_told_what_there_is(caller: Caller, name: str) -> None:
    """What there is not and what it may not call are refused alike, whatever limits the key."""
    with pytest.raises(Forbidden) as refused:
        names("openai/*").find(name, caller)
    assert refused.value.status == 403


def test_what_one_key_found_is_not_anothers() -> None:
    """A name that was looked up for an unlimited key stays refused to a limited one."""
    known = names("openai/*", "house/*")
    assert known.find("openai/o3", ANYONE) == model("openai/o3")
    with pytest.raises(Forbidden):
        known.find("openai/o3", key(None, []))
    assert known.find("o3", key([], ["house/*"])) == model("house/o3")


def test_what_was_meant() -> None:
    """A hint, of names alone that the key may call."""
    known = names("openai/gpt-4o", aliases={"customer": "support"})
    with pytest.raises(UnknownModel, match="did you mean 'support'"):
        known.find("suport", ANYONE)
    with pytest.raises(Forbidden, match="did you mean 'openai/gpt-4o'"):
        known.find("openai/gpt-4", key([], ["openai/gpt-4o"]))
    with pytest.raises(Forbidden) as caught:
        known.find("suport", key([], ["openai/gpt-4o"]))
    assert "support" not in caught.value.message


def test_lists() -> None:
    """What a key may call, spelled out first; versions of agents, but none of aliases."""
    known = names("openai/gpt-4o", "openai/gpt-4o-m*", "house/*", aliases={"fast": "support"})
    listed = list(known.listed(ANYONE))
    assert listed == [
        "support",
        "support@v1",
        "support@v2",
        "openai",
        "openai@v1",
        "openai@v2",
        "fast",
        "openai/gpt-4o",
    ]
    assert "openai/gpt-4o-mini" in (found := list(known.open_models(ANYONE))) and "openai/gpt-4o" not in found
    assert list(known.open_models(key([], ["openai/gpt-4o-mini"]))) == ["openai/gpt-4o-mini"]
    assert list(known.listed(key(["openai"], []))) == ["openai", "openai@v1", "openai@v2"]


def test_names_that_were_looked_up_are_bounded() -> None:
    """Clients may make up as many as they like."""
    known = names("house/*")
    for number in range(5000):
        known.find(f"m-{number}", ANYONE)
    assert len(known._found) <= 2048
