"""The HTTP interface as values: every operation with its parameters and answers, and the OpenAPI document of them."""
