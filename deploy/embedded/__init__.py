"""The embedded stack: Postgres, NATS, the SES sandbox and every service on one machine, under one supervisor.

It is for development, demos and tests. Everything it starts comes from Python wheels, everything it keeps is in one
data directory, and nothing it starts outlives it. Teams run compose or Kubernetes instead.
"""
