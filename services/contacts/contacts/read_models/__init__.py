"""Tables of contacts, one module per table."""
