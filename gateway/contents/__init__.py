"""The texts of calls, where `record_content` wants them: heard on the way, redacted, kept for a while, and read."""
