"""Tables of the templates."""
