"""Prompts of other tools as versions: dotprompt, Prompty, Langfuse and OpenAI's stored prompts."""
