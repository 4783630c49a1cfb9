"""Triggers: events that start executions of workflows."""
