"""Claude's own rules, shared by both of its APIs: Messages and Converse."""
