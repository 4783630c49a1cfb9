"""The public API under `/v1`, and the calls of the API's first version."""
