"""The contract: every command, event, query and reply that crosses the bus, by the service that owns it. No logic."""
