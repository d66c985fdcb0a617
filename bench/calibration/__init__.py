"""Calibration end to end: rollouts of whole gateways on virtual time (`python -m bench.calibration`)."""
