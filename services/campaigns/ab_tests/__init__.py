"""A/B tests: what their variants say, when the winner is decided, and which one wins."""
