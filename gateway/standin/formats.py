"""Which wire format a path means: the table of all that the stand-in speaks."""

from .chat import CHAT, OPENAI
from .shapes import Family, Shape
from .wire import Request

MODELS = "/models"

# by the end of the path; the first that fits counts
_SHAPES: tuple[tuple[str, Shape], ...] = (("/chat/completions", CHAT),)


def shape_of(path: str) -> Shape | None:
    """The shape of the calls to a path; None when there are no calls to it."""
    return next((shape for end, shape in _SHAPES if path.endswith(end)), None)


def family_of(request: Request) -> Family:
    """Whose door, errors and headers a request meets."""
    shape = shape_of(request.path)
    return OPENAI if shape is None else shape.family
