"""Sending domains: added by projects, verified through SES."""
