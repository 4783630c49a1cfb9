"""What the sandbox keeps on disk: SQLite with group commit, and one file for message bodies."""
