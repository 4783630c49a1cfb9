"""Campaigns from the first draft to the last mail: editing, scheduling, sending, pausing and cancelling."""
