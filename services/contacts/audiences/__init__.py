"""Audiences of campaigns: resolving them page by page, previewing them, and counting the contacts of a condition."""
