"""What a call cost, to the nano-dollar."""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot

from gateway.calls import MAX_TOKENS_COUNTED, FormatName, MediaTokens, Usage, estimated_usage
from gateway.formats.openai_usage import usage_from
from gateway.formats.registry import PROVIDERS
from gateway.pricing import PriceBook, PriceList, PriceListFailed, Rate
from gateway.pricing.pricelist import PricedModel, tiers
from gateway.pricing.pricelist import listed as listed_there
from gateway.pricing.rates import Change, PriceSchedule

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class Override:
    target: str
    since: date
    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None
    output_image: float | None = None
    service_tier: str | None = None


def book(*overrides: Override) -> PriceBook:
    return PriceBook(overrides)


def test_override() -> None:
    """Cached tokens are part of the input and pay their own rate."""
    prices = book(Override("house/m", date(2026, 1, 1), 1.0, 2.0, 0.1))
    assert prices.cost("house/m", Usage(1000, 400, 50), NOON) == 600 * 1000 + 400 * 100 + 50 * 2000


def test_cached_tokens_without_a_price_of_their_own() -> None:
    """They cost what fresh ones do."""
    assert book(Override("house/m", date(2026, 1, 1), 1.0, 2.0)).cost("house/m", Usage(10, 10, 0), NOON) == 10_000


def test_dated_prices() -> None:
    """The latest price that has begun holds; before the first one there is none."""
    prices = book(Override("house/m", date(2026, 6, 1), 2.0, 2.0), Override("house/m", date(2026, 1, 1), 1.0, 1.0))
    a_day = 86_400
    costs = [prices.cost("house/m", Usage(1), at) for at in (NOON - a_day, NOON, NOON - 300 * a_day)]
    assert costs == [1000, 2000, None]


def test_unknown_price() -> None:
    """A model without a known price costs None, and so does a call without a usage: never 0."""
    assert book().cost("house/unheard-of", Usage(1), NOON) is None
    assert book(Override("house/m", date(2026, 1, 1), 1.0, 2.0)).cost("house/m", None, NOON) is None


@pytest.mark.parametrize("target", ["openai/gpt-4o", "mine/gpt-4o"])
def test_known_models(target: str) -> None:
    """Prices of known models come from genai-prices, by the provider's name or by where its API stands."""
    prices = PriceBook((), {"mine": "https://api.openai.com/v1"})
    _, info = get_snapshot().find_provider_model("gpt-4o", None, "openai", None)
    listed: Any = info.get_prices(datetime.fromtimestamp(NOON, UTC))
    fresh, cached, output = (Decimal(each) for each in (listed.input_mtok, listed.cache_read_mtok, listed.output_mtok))
    wanted = 600 * fresh + 400 * cached + 50 * output
    assert prices.cost(target, Usage(1000, 400, 50), NOON) == round(wanted * 1000)


@pytest.mark.parametrize(
    ("api", "url", "model", "listed"),
    [
        ("openai", "https://api.openai.com/v1", "gpt-4o", "openai"),
        ("openai-responses", "https://api.openai.com/v1", "gpt-5", "openai"),
        ("anthropic", "https://api.anthropic.com/v1", "claude-sonnet-4-5", "anthropic"),
        ("gemini", "https://generativelanguage.googleapis.com/v1beta", "gemini-2.5-pro", "google"),
        ("bedrock", "https://bedrock-runtime.eu-west-1.amazonaws.com", "amazon.nova-pro-v1:0", "aws"),
        ("openai", "https://mine.openai.azure.com/openai/v1", "gpt-4o", "azure"),
        ("openai", "https://api.mistral.ai/v1", "mistral-large-latest", "mistral"),
        ("anthropic", "https://proxy.example.com/v1", "claude-sonnet-4-5", "anthropic"),
    ],
)
def test_every_provider(api: FormatName, url: str, model: str, listed: str) -> None:
    """The address says whose prices hold; one that nobody knows leaves it to the wire format."""
    prices = PriceBook((), {"mine": url}, {"mine": PROVIDERS[api].facts.price_source})
    rates = prices.rates(f"mine/{model}", NOON)
    assert rates and rates == PriceBook((), {}).rates(f"{listed}/{model}", NOON)


def test_an_address_has_the_last_word() -> None:
    """A model that its own provider does not list has no price, whoever else has one of that name."""
    prices = PriceBook((), {"mine": "https://api.groq.com/openai/v1"}, {"mine": "openai"})
    assert prices.rates("mine/gpt-4o", NOON) == ()


def test_name_before_wire_format() -> None:
    """A provider behind an address of one's own is known by its name, whatever format it speaks."""
    prices = PriceBook((), {"groq": "https://proxy.example.com/v1"}, {"groq": "openai"})
    assert prices.rates("groq/llama-3.3-70b-versatile", NOON)


def test_tokens_written_into_a_cache() -> None:
    """They are part of the input, and pay their own rate."""
    prices = book(Override("house/m", date(2026, 1, 1), 1.0, 2.0, 0.1, 1.25))
    usage = Usage(1000, 400, 50, cache_written=100)
    assert prices.cost("house/m", usage, NOON) == 500 * 1000 + 400 * 100 + 100 * 1250 + 50 * 2000
    anthropic = book().rates("anthropic/claude-sonnet-4-5", NOON)[-1]
    assert anthropic.cache_write == anthropic.input * 5 // 4


def test_tokens_written_for_an_hour() -> None:
    """They cost more than those for five minutes: what the list says, or the file, or as the others."""
    usage = Usage(1000, 0, 0, cache_written=300, cache_written_1h=100)
    anthropic = book().rates("anthropic/claude-sonnet-4-5", NOON)[-1]
    assert anthropic.cache_write_1h == 2 * anthropic.input
    assert anthropic.cost(usage) == 700 * 3000 + 200 * 3750 + 100 * 6000
    prices = book(Override("house/m", date(2026, 1, 1), 1.0, 2.0, 0.1, 1.25, 2.0))
    assert prices.cost("house/m", usage, NOON) == 700 * 1000 + 200 * 1250 + 100 * 2000
    prices = book(Override("house/m", date(2026, 1, 1), 1.0, 2.0, 0.1, 1.25))
    assert prices.cost("house/m", usage, NOON) == 700 * 1000 + 300 * 1250


def test_reasoning_at_its_own_price() -> None:
    """Reasoning is part of the output, and where it has a price of its own it pays that."""
    rate = Rate(0, 0, 2_000_000, 0, 0, 3_000_000)
    assert rate.cost(Usage(0, 0, 10, reasoning=4)) == 6 * 2000 + 4 * 3000
    assert Rate(0, 0, 2_000_000, 0, 0, 2_000_000).cost(Usage(0, 0, 10, reasoning=4)) == 10 * 2000


def test_what_has_no_output() -> None:
    """An embedding costs its input; an output that nobody has put a price on costs None, never 0."""
    embedding = "openai/text-embedding-3-small"
    assert book().cost(embedding, Usage(1_000_000), NOON) == 20_000_000
    assert book().cost(embedding, Usage(1_000_000, output=1), NOON) is None


def test_price_of_a_request() -> None:
    """Some providers charge for each request besides."""
    [rate] = book().rates("perplexity/sonar", NOON)
    assert rate.request and rate.cost(Usage()) == rate.request // 1000


def test_calls_without_a_price_are_remembered() -> None:
    """By agent, each target once."""
    prices = book()
    for target in ("house/m", "house/n", "house/m"):
        prices.miss("support", target)
    assert prices.unpriced("support") == ("house/m", "house/n") and prices.unpriced("other") == ()


def test_a_reload_forgets_no_target_without_a_price() -> None:
    """Only those whose price the new configuration looks up in another way; a call under the old one counts, too."""
    one, pricelist = Override("house/n", date(2026, 1, 1), 1.0, 2.0), PriceList()
    old = PriceBook(pricelist=pricelist)
    old.miss("support", "house/m")
    old.miss("support", "house/n")
    assert PriceBook((one,), pricelist=pricelist).unpriced("support") == ("house/m",)
    assert PriceBook((), {"house": "https://other.example"}, pricelist=pricelist).unpriced("support") == ()
    old.miss("support", "house/late")
    assert PriceBook(pricelist=pricelist).unpriced("support") == ("house/m", "house/n", "house/late")


def test_the_latest_targets_without_a_price_are_remembered() -> None:
    """Where clients write the names, as many as a person may read."""
    prices = book()
    for number in range(300):
        prices.miss("support", f"house/{number}")
    assert len(prices.unpriced("support")) == 200 and prices.unpriced("support")[-1] == "house/299"


def listed(**members: Any) -> SimpleNamespace:
    """A price as genai-prices has it; what is not said is None."""
    parts = (
        "input", "cache_read", "cache_write", "cache_write_1h", "output", "output_reasoning",
        "input_audio", "input_image", "input_video", "cache_audio_read", "cache_image_read",
        "output_audio", "output_image", "output_video",
    )  # fmt: skip
    names = [f"{part}_mtok" for part in parts]
    return SimpleNamespace(**{**dict.fromkeys((*names, "requests_kcount")), **members})


def testtiers() -> None:
    """A price that changes with the length of the prompt holds for the whole call."""
    tiered = SimpleNamespace(base=Decimal(1), tiers=[SimpleNamespace(start=200, price=Decimal(2))])
    prices = listed(input_mtok=tiered, cache_read_mtok=Decimal(0), output_mtok=Decimal(3))
    high = Rate(2_000_000, 0, 3_000_000, 2_000_000, 2_000_000, 3_000_000, above=200)
    assert tiers(prices) == (high, Rate(1_000_000, 0, 3_000_000, 1_000_000, 1_000_000, 3_000_000))
    assert tiers(listed(output_mtok=Decimal(1))) == ()


def test_service_tiers_have_prices_of_their_own() -> None:
    """What costs twice or half as much is not priced as the usual; without an entry its cost is unknown."""
    plain, double = Override("house/m", date(2026, 1, 1), 1.0, 2.0), Override("house/m", date(2026, 1, 1), 2.0, 4.0)
    prices = book(plain, replace(double, service_tier="priority"))
    usage = Usage(1000, 0, 1000)
    costs = [prices.cost("house/m", replace(usage, tier=tier), NOON) for tier in ("", "priority", "flex", "")]
    assert costs == [3_000_000, 6_000_000, None, 3_000_000]
    assert book().cost("openai/gpt-5.4", replace(usage, tier="priority"), NOON) is None


@pytest.mark.parametrize(
    ("media", "nano"),
    [
        (MediaTokens(input_audio=500), 500 + 500 * 32 + 2000),  # input 1, audio 32
        (MediaTokens(input_audio=500, cached_audio=500), 500 + 250 + 2000),  # cached text 0.1, cached audio 0.5
        (MediaTokens(input_image=500), 1000 + 2000),  # as text
        (MediaTokens(output_audio=400), 1000 + 600 * 2 + 400 * 64),
        (MediaTokens(output_image=400), None),
    ],
)
def test_tokens_that_are_not_text(media: MediaTokens, nano: int | None) -> None:
    """Each pays its own price; without one, images that are given cost what text does, and images that are made are
    unpriced."""
    prices = listed(
        input_mtok=Decimal(1), cache_read_mtok=Decimal("0.1"), output_mtok=Decimal(2), input_audio_mtok=Decimal(32),
        cache_audio_read_mtok=Decimal("0.5"), output_audio_mtok=Decimal(64),
    )  # fmt: skip
    [rate] = tiers(prices)
    usage = Usage(1000, media.cached_audio, 1000, media=media)
    assert rate.cost(usage) == (None if nano is None else nano * 1000)


def test_a_recording_without_a_price_is_unpriced() -> None:
    """A list that has text alone says nothing of it, unless it names all that is billed otherwise, as Google's does."""
    heard, prices = Usage(1000, media=MediaTokens(input_audio=500)), listed(input_mtok=Decimal(1))
    assert tiers(prices)[0].cost(heard) is None and tiers(prices, is_complete=True)[0].cost(heard) == 1_000_000
    assert book().cost("openai/gpt-4o-audio-preview", heard, NOON) is None
    assert book().cost("google/gemini-3.8-flash", heard, NOON) is not None
    own = Override("house/m", date(2026, 1, 1), 1.0, 2.0, input_audio=4.0)
    assert book(own).cost("house/m", heard, NOON) == 2_500_000


def test_tier_of_a_call() -> None:
    """The longest tier that the prompt has passed is the one that counts."""
    pricelist = PriceList()
    tiers = (Rate(2000, 2000, 0, 2000, 2000, 0, above=200), Rate(1000, 1000, 0, 1000, 1000, 0))
    pricelist._schedules[PricedModel("house", "m", None, None)] = PriceSchedule([Change(0, 0, tiers)])
    prices = PriceBook(pricelist=pricelist)
    assert [prices.cost("house/m", Usage(tokens), NOON) for tokens in (0, 200, 201)] == [0, 200, 402]


@pytest.mark.parametrize(
    "nonsense", [None, "7", -1, True, 1e308, float("nan"), float("inf"), [], MAX_TOKENS_COUNTED + 1]
)
def test_nonsense_counts_for_nothing(nonsense: Any) -> None:
    """A usage that cannot be leaves the sums finite."""
    details = {"cached_tokens": nonsense, "reasoning_tokens": nonsense}
    usage = {"prompt_tokens": nonsense, "completion_tokens": nonsense, "prompt_tokens_details": details}
    assert usage_from(usage) == Usage() == usage_from({"completion_tokens_details": nonsense})


def test_usage() -> None:
    """OpenAI's usage object; a part is never more than its whole."""
    details = {"prompt_tokens_details": {"cached_tokens": 99}, "completion_tokens_details": {"reasoning_tokens": 99}}
    assert usage_from({"prompt_tokens": 5, "completion_tokens": 7.0, **details}) == Usage(5, 5, 7, 7)
    assert usage_from(None) is None and usage_from([]) is None


def test_estimate() -> None:
    """Four bytes of a request are about a token; an estimate is marked as one."""
    assert estimated_usage(400, 7) == Usage(101, 0, 7, 0, estimated=True)


def everything() -> list[tuple[PricedModel, Any]]:
    """All models of the list that are found by their own id, with what genai-prices has there."""
    snapshot = get_snapshot()
    found = []
    for provider in snapshot.providers:
        for model in provider.models:
            with suppress(LookupError):
                _, info = snapshot.find_provider_model(model.id, None, provider.id, None)
                found.append((PricedModel(provider.id, model.id, None, None), info))
    return found


def test_prices_change_when_the_list_says_so() -> None:
    """From a day on, or with the time of day: what holds now is what the list has now, to the second."""
    changing = [(entry, info) for entry, info in everything() if isinstance(info.prices, list)]
    noon = int(NOON)
    times = [0, *range(noon, noon + 86_400, 1800), *(noon + 1800 * half - 1 for half in range(48)), noon + 400 * 86_400]
    assert any(
        len({tiers(info.get_prices(datetime.fromtimestamp(at, UTC))) for at in times}) > 1 for _, info in changing
    )
    for entry, info in changing:
        prices = PriceBook()
        for at in times:
            is_complete = entry.provider == "google"
            wanted = tiers(info.get_prices(datetime.fromtimestamp(at, UTC)), is_complete=is_complete)
            assert prices.rates(f"{entry.provider}/{entry.model}", at) == wanted, (entry, at)


@pytest.mark.process
def test_another_process_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that was asked for is known afterwards, also that the list has nothing; this process reads no list."""
    entries = {entry for entry, _ in everything()[::9]} | {PricedModel("house", "m", None, None)}
    wanted = {entry: listed_there(entry).changes for entry in entries}
    pricelist = PriceList(read=lambda entry: pytest.fail(f"{entry} is read in this process"))
    pricelist.learn(entries)
    assert {entry: pricelist.schedule(entry).changes for entry in entries} == wanted
    monkeypatch.setattr("sys.executable", "/nowhere")
    pricelist.learn(entries)  # nothing is left to ask for


@pytest.mark.process
@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("/nowhere", "No such file"),
        ("#!/bin/sh\necho out of memory >&2; exit 1", "out of memory"),
        ("#!/bin/sh\necho '[]'", "argument 2 is shorter"),
        ("#!/bin/sh\necho '[[[1, 2]]]'", "unpack"),
        ("#!/bin/sh\necho", "Expecting value"),
        ("#!/bin/sh\nexec sleep 60", "timed out"),
    ],
)
def test_prices_do_not_depend_on_another_process(
    program: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it cannot be started, fails, or says nonsense, why is told, and the list is read here."""
    if program.startswith("#!"):
        script = tmp_path / "python"
        script.write_text(program)
        script.chmod(0o755)
        program = str(script)
    monkeypatch.setattr("sys.executable", program)
    prices = PriceBook(pricelist=PriceList(answer_seconds=0.5))
    with pytest.raises(PriceListFailed, match=why):
        prices.learn(["openai/gpt-4o"])
    assert prices.rates("openai/gpt-4o", NOON)
