"""Tables of workflow definitions."""
