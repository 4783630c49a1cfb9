"""What every HTTP request goes through: limits, authentication, idempotency, bodies, errors and responses."""
