"""The tables that campaigns derives from events."""
