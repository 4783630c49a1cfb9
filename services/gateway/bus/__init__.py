"""Commands and queries to the other services, and their answers."""
