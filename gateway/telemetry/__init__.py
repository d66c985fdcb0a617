"""Telemetry for other systems: OpenTelemetry spans of finished calls, and metrics in Prometheus' formats."""
