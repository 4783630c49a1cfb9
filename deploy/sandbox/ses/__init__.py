"""The SES v2 API: sending, identities, the suppression list, configuration sets, account limits and planted faults."""
