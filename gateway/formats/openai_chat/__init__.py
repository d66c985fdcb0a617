"""OpenAI chat completions: what most providers and clients speak.

`gateway.formats` says which role each module has. `_quirks` says what tells providers of this format apart.
"""

from typing import Final

NAME: Final = "openai"  # what `api` in the configuration calls it
