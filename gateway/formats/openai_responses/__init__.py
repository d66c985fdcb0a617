"""OpenAI's Responses API: a request is a list of items, and so is its answer.

`gateway.formats` says which role each module has. `_items` and `_content` read and write the conversation, `_output`
holds the items of an answer as it grows.
"""

from typing import Final

NAME: Final = "openai-responses"  # what `api` in the configuration calls it
