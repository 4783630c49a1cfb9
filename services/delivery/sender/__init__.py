"""Sends what is claimed through SES within the shared rate, and records the outcomes."""
