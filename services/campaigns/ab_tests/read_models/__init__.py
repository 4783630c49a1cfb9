"""Tables of the A/B tests."""
