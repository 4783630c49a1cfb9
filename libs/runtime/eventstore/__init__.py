"""The event log and its units of work. Imports nothing of the runtime but its top-level modules."""
