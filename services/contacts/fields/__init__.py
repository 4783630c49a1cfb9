"""Fields of contacts: which exist, how many contacts have them, and which values they have."""
