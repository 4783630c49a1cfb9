"""The ledger of emails: the decider of one email, changes in batches, queries and the conservation law."""
