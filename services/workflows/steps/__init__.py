"""Step types, one module each: what a step is configured with and what it does when an execution reaches it."""
