"""What the ledger knows of campaigns."""
