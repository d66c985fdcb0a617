"""JSON values of the members that Gemini's readers look for, with anything inside."""

from hypothesis import strategies as st

from tests.gateway.formats.prompts import VALUES

# Names that lead a fuzzer past the first check.
NAMES = st.sampled_from([
    "contents", "parts", "role", "text", "thought", "thoughtSignature", "inlineData", "inline_data", "fileData", "name",
    "mimeType", "fileUri", "data", "functionCall", "functionResponse", "args", "response", "id", "systemInstruction",
    "tools", "functionDeclarations", "parameters", "properties", "items", "anyOf", "nullable", "type", "enum",
    "toolConfig", "functionCallingConfig", "mode", "allowedFunctionNames", "generationConfig", "thinkingConfig",
    "thinkingBudget", "thinkingLevel", "stopSequences", "responseSchema", "responseMimeType", "seed", "topP",
])  # fmt: skip


HOSTILE = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=30
)
