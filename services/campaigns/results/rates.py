"""Rates as the API gives them. Pure."""


def percent(part: int, whole: int) -> float:
    """Percent (0-100) with two places; 0 where there is nothing to have a share of."""
    return round(100 * part / whole, 2) if whole else 0.0
