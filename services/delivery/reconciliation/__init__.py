"""Settles mails whose outcome is unknown: by proof from notifications, or by sending them once more."""
