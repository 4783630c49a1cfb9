"""Segments: conditions compiled to SQL, membership kept up to date, and the lists of static segments."""
