"""Audiences of campaigns: resolving them page by page, previewing them, and counting whom a condition matches."""
