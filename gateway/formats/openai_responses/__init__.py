"""OpenAI's Responses API: a request is a list of items, and so is its answer.

Facing clients (`client`): `prompt` reads a request over `items` and `content`, `output` and `writer` write answers.
Facing providers (`provider`): `request` writes a prompt, `amend` puts a version into a client's own request, `answer`
reads answers and errors, `stream` follows streams. `tools` holds what both say alike, `marks` what we know as ours.
"""
