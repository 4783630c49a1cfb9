"""Amazon SES: the client, its transport, and what its answers mean."""
