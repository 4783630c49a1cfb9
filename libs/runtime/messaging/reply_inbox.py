"""The subjects on which a user of the bus receives replies."""


def inbox_prefix(user: str) -> str:
    """Return the prefix of the user's inboxes. Each has its own, so that nobody can read another's replies."""
    return f"_INBOX_{user}"
