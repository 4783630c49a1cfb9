"""A mail as a request describes it, checked and turned into what delivery takes."""
