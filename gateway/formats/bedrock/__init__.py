"""Amazon Bedrock's Converse: a wire format that providers speak, and no client.

`gateway.formats` says which role each module has. `_turns` and `_media` write the conversation, `_framing` cuts AWS's
binary event streams into events; what Claude takes stands in `gateway.formats.claude`.
"""

from typing import Final

NAME: Final = "bedrock"  # what `api` in the configuration calls it
