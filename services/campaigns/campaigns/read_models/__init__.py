"""Tables of the campaigns."""
