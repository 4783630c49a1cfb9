"""Tracked events: listing, counting, and where they are used."""
