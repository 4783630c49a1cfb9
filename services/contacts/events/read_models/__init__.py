"""Tables of tracked events, one module per table."""
