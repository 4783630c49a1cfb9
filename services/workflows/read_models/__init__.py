"""The tables that workflows derives from events."""
