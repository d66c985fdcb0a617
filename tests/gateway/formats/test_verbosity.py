"""`verbosity` at providers that have no such member: told in words, behind the system's own."""

import pytest

from gateway.formats.fit import fit
from gateway.formats.limits import FormatLimits
from gateway.formats.openai_limits import CHAT
from gateway.formats.prompt import Message, Prompt, Text

ASKED = (Message("system", (Text("You are a bird."),)), Message("user", (Text("hi"),)))


@pytest.mark.parametrize(("verbosity", "word"), [("low", "briefly"), ("high", "detail")])
def test_it_is_told_in_words(verbosity: str, word: str) -> None:
    """The sentence stands between the system's words and the first turn."""
    fitted = fit(Prompt(ASKED, extras={"verbosity": verbosity}), FormatLimits()).prompt
    assert fitted.messages[0] == ASKED[0] and fitted.messages[2] == ASKED[1] and not fitted.extras
    assert fitted.messages[1].role == "system" and word in str(fitted.messages[1].parts)


def test_it_stays_where_it_is_known() -> None:
    """OpenAI's formats have the member; a value that nobody knows is refused by name elsewhere."""
    prompt = Prompt(ASKED, extras={"verbosity": "low"})
    assert fit(prompt, CHAT).prompt.extras == prompt.extras
    assert fit(Prompt(ASKED, extras={"verbosity": "odd"}), FormatLimits()).prompt.extras == {"verbosity": "odd"}
