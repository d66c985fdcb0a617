"""Schema of `record_content` in `routing.yaml`: whether, and how, the texts of an agent's calls are kept."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from gateway import text_patterns
from gateway.config.fields import Duration, Size, StepWeight, StrictModel
from routing.agents import ContentRules

_USUAL: Final = ContentRules()
_MOST_PATTERNS: Final = 32
_LONGEST_PATTERN: Final = 500  # characters
_LEAST_RETENTION: Final = 60.0  # seconds
_LEAST_CALL, _MOST_CALL = 1 << 10, 256 << 10
_LEAST_TOTAL, _MOST_TOTAL = 1 << 20, 1 << 30


def redact_pattern(value: str) -> str:
    """A pattern that RE2 can search for. Raises ValueError with a hint."""
    text_patterns.check(value)
    return value


def within(least: float, most: float, shown: str) -> AfterValidator:
    """Refuse a value outside of these limits."""

    def check(value: float) -> float:
        if not least <= value <= most:
            raise ValueError(f"must be {shown}")
        return value

    return AfterValidator(check)


def _shape(value: object) -> str:
    return "<mapping>" if isinstance(value, Mapping | StrictModel) else "<text>"


def _as_word(value: object) -> object:
    """Take YAML's `off`, which is its word for false, as the word that it is."""
    return "off" if value is False else value


RedactPattern = Annotated[str, Field(min_length=1, max_length=_LONGEST_PATTERN), AfterValidator(redact_pattern)]


class ContentEntry(StrictModel):
    """Settings for the recorded texts of an agent's calls."""

    sample: StepWeight = Field(
        default=_USUAL.sample,
        description="The share of the conversations whose texts are kept, above 0%; all calls of a conversation or "
        "none. Default: 100%.",
    )
    redact: Annotated[tuple[RedactPattern, ...], Field(max_length=_MOST_PATTERNS)] = Field(
        default=(),
        description="Up to 32 RE2 patterns of what is replaced before it is kept, such as `ACME-[0-9]{6}`. Keys, "
        f"e-mail addresses and card numbers always are. Default: none. Needs {text_patterns.INSTALL}.",
    )
    retention: Annotated[Duration, within(_LEAST_RETENTION, _USUAL.retention, "1m to 7d")] = Field(
        default=_USUAL.retention,
        description="How long the texts of a call are kept, 1m to 7d: no longer than the call itself. Default: 7d.",
    )
    max_call: Annotated[Size, within(_LEAST_CALL, _MOST_CALL, "1KB to 256KB")] = Field(
        default=_USUAL.call_bytes,
        description="Size of what is kept of one call, 1KB to 256KB. Default: 64KB. What is longer is cut, and marked.",
    )
    max_total: Annotated[Size, within(_LEAST_TOTAL, _MOST_TOTAL, "1MB to 1GB")] = Field(
        default=_USUAL.total_bytes,
        description="Size of all that is kept of the agent's calls in the store, 1MB to 1GB; the oldest go first. "
        "Default: 32MB.",
    )


RecordContent = Annotated[
    Annotated[Literal["off", "all"], BeforeValidator(_as_word), Tag("<text>")]
    | Annotated[ContentEntry, Tag("<mapping>")],
    Discriminator(_shape),
]


def content_rules(written: str | ContentEntry) -> ContentRules | None:
    """Return the rules; None where nothing is recorded."""
    if isinstance(written, ContentEntry):
        return ContentRules(
            written.sample, written.redact, written.retention, written.max_call, written.max_total
        )  # fmt: skip
    return None if written == "off" else _USUAL
