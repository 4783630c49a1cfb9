"""Tables of the content rules."""
