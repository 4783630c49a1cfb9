"""The format of instants in the API."""

from datetime import UTC, datetime


def iso(moment: datetime) -> str:
    """Return the instant in ISO 8601, in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
