"""Tables of jobs, one module per table."""
