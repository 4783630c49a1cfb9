"""Contacts: saving, subscribing, pausing, confirming, deleting, searching, and their history."""
