"""Keeps who must not be written to: rules, the address list, the SES account's list, deleted contacts."""
