"""Tables of segments, one module per table."""
