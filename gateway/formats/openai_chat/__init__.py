"""OpenAI chat completions: what most providers and clients speak.

`request` writes what goes to a provider of this format, byte for byte but for what the version sets; `answer` reads a
whole answer or an error, `stream` follows a stream.
"""
