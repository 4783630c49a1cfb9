"""Prepare a database and a NATS server for Godwit: roles, schemas, migrations, streams and consumers."""
