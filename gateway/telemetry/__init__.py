"""Telemetry for other systems: OpenTelemetry spans of finished calls, and the trace that a call belongs to."""
