"""The embedded stack: Postgres, NATS, the SES sandbox and every service on one machine, under one supervisor.

It is for development, demos and tests. Everything it starts comes from Python wheels, everything it stores is in one
data directory, and nothing it starts outlives it. In production use compose or Kubernetes instead.
"""
