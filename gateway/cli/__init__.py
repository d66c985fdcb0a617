"""The command `serinus`: its arguments, its questions to a running gateway, its exit codes."""
