"""The accepted messages: the ledger, how each one reads as an email, what will happen to it, and the browser pages."""
