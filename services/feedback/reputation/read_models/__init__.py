"""Tables of reputations and bounce streaks."""
