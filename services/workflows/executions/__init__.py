"""Executions: one contact going through one workflow, step by step."""
