"""Gemini's Interactions API (v1beta, revision 2026-05-20): a request and its answer are lists of steps.

`gateway.formats` says which role each module has. `_steps` and `_content` read and write the conversation, `_config`
the settings, `_output` holds the steps of an answer as it grows; `_terms` has the words of both ways.
"""

from typing import Final

NAME: Final = "gemini-interactions"  # what `api` in the configuration calls it
