"""Tables of executions."""
