"""Ingest: takes notifications from the bus and the SQS queue, archives them and records what they state."""
