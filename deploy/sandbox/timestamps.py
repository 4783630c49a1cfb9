"""Timestamps in the format of SES and SNS."""

from datetime import UTC, datetime


def iso(at: float) -> str:
    """Format Unix seconds as `2026-01-31T09:30:00.123Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
