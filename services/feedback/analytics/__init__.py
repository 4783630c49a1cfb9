"""Analytics: counts of mail per project and hour."""
