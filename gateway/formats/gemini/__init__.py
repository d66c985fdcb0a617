"""Gemini's generateContent (Generative Language API, v1beta), for clients and for providers.

`gateway.formats` says which role each module has. `_contents`, `_generation`, `_members` and `_schemas` read what a
client asks; `_turns`, `_media` and `_config` write what goes to a provider; `_terms` holds the words of both ways.
"""

from typing import Final

NAME: Final = "gemini"  # what `api` in the configuration calls it
