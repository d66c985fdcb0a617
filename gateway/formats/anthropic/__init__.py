"""Anthropic's Messages API (anthropic-version 2023-06-01 and 2026-10-21), for clients and for providers.

`gateway.formats` says which role each module has. `_blocks` reads what a client's messages hold, `_turns` writes those
of a provider; what Claude takes stands in `gateway.formats.claude`.
"""

from typing import Final

NAME: Final = "anthropic"  # what `api` in the configuration calls it
