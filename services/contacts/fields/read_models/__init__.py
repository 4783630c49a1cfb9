"""Tables of fields, one module per table."""
