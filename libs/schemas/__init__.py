"""The commands, events, queries and replies on the bus, by the service that owns them. No logic, no other imports."""
