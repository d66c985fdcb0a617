"""Wire formats by path: the table of all that the stand-in speaks."""

from .chat import CHAT, OPENAI
from .completions import COMPLETIONS
from .converse import CONVERSE
from .gemini import COUNT, EMBED, GENERATE, GOOGLE
from .interactions import INTERACTIONS
from .messages import ANTHROPIC, COUNT_TOKENS, MESSAGES
from .responses import RESPONSES
from .shapes import Family, Shape
from .small import EMBEDDINGS, IMAGES, MODERATIONS, SPEECH, TRANSCRIPTIONS
from .wire import StandinRequest

MODELS = "/models"

# by the end of the path; the first that fits counts
_SHAPES: tuple[tuple[str, Shape], ...] = (
    ("/chat/completions", CHAT),
    ("/messages", MESSAGES),
    ("/messages/count_tokens", COUNT_TOKENS),
    ("/responses", RESPONSES),
    ("/interactions", INTERACTIONS),
    ("/completions", COMPLETIONS),
    ("/embeddings", EMBEDDINGS),
    ("/images/generations", IMAGES),
    ("/audio/speech", SPEECH),
    ("/audio/transcriptions", TRANSCRIPTIONS),
    ("/moderations", MODERATIONS),
    (":generateContent", GENERATE),
    (":streamGenerateContent", GENERATE),
    (":countTokens", COUNT),
    (":embedContent", EMBED),
    (":batchEmbedContents", EMBED),
    ("/converse", CONVERSE),
    ("/converse-stream", CONVERSE),
)


def shape_of(path: str) -> Shape | None:
    """The shape of the calls to a path; None when there are no calls to it."""
    return next((shape for end, shape in _SHAPES if path.endswith(end)), None)


def family_of(request: StandinRequest) -> Family:
    """Return the provider whose key, errors and headers apply; OpenAI's where neither path nor key header tells."""
    shape = shape_of(request.path)
    if shape is not None:
        return shape.family
    if "/interactions/" in request.path:
        return INTERACTIONS.family
    return next((family for family in (ANTHROPIC, GOOGLE) if request.header(family.door.ways[0][0])), OPENAI)
