"""What delivery knows from other services' facts, and its own sending domains."""
