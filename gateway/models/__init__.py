"""Names that clients write as `model` beside agents: aliases and plain models, and the lists of them."""
