"""Amazon Bedrock's Converse: a wire format that providers speak, and no client.

`request` writes what goes out, over `turns` (the conversation) and `media`; `reply` reads a whole answer, `events` a
stream that `framing` cuts out of AWS's binary event streams; `signing` signs requests with AWS credentials.
What Claude takes is known to the `messages` format; what it is asked there is asked here in Converse's words.
"""
