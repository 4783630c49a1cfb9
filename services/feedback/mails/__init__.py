"""Feedback per mail: the state folded from its notifications, and queries about it."""
