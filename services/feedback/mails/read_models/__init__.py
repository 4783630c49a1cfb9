"""Tables of feedback per mail."""
