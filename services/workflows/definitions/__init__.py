"""Workflow definitions: the graph of steps and transitions, the commands that change it, and queries about it."""
