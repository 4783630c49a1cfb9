"""Reputation: warnings and pauses of projects, and mailboxes that keep bouncing."""
